import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { listenOn } from './sockets.ts';
import type { KeyPair } from './test-ca.ts';

/** What a node answers: octets, one for each character, or octets and then an end of the connection. */
export type Answer = string | { readonly say: string; readonly ending: 'end' | 'reset' } | undefined;

/** How a node behaves. */
export interface Behaviour {
  readonly greeting: Answer;
  /** Answers a line; `heard` are all lines of this connection, this one the last. */
  readonly reply: (line: string, heard: readonly string[]) => Answer;
  /** Milliseconds from one octet to the next. */
  readonly dribbleMs?: number;
}

/** How a node takes TLS. */
export interface NodeTlsTerms {
  readonly mode: 'none' | 'implicit' | 'starttls';
  readonly certificate: KeyPair;
}

/** A node that behaves as badly as it is told to, by real TCP and TLS, and keeps what it heard. */
export class HostileNode implements AsyncDisposable {
  /** All lines, in clear text and in TLS. */
  readonly heard: string[] = [];
  /** Those that anybody on the wire could read. */
  readonly heardInClear: string[] = [];
  readonly connections: Socket[] = [];
  readonly #server: Server;
  readonly #behaviour: Behaviour;
  readonly #tls: NodeTlsTerms;
  readonly #port: number;

  private constructor(server: Server, port: number, behaviour: Behaviour, tls: NodeTlsTerms) {
    this.#server = server;
    this.#port = port;
    this.#behaviour = behaviour;
    this.#tls = tls;
  }

  static async start(behaviour: Behaviour, tls: NodeTlsTerms): Promise<HostileNode> {
    const server = createServer();
    const node = new HostileNode(server, await listenOn(server), behaviour, tls);
    server.on('connection', (socket) => node.#accept(socket));
    return node;
  }

  get port(): number {
    return this.#port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.connections) {
      socket.destroy();
    }
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket: Socket): void {
    this.connections.push(socket);
    // How proxies leave is what some tests are about; none of it is this node's error.
    socket.on('error', () => undefined);
    const stream = this.#tls.mode === 'implicit' ? this.#secure(socket) : socket;
    this.#serve(stream, socket, this.#behaviour.greeting);
  }

  #secure(socket: Socket): TLSSocket {
    const { certificate, key } = this.#tls.certificate;
    const secured = new TLSSocket(socket, {
      isServer: true,
      secureContext: createSecureContext({ cert: certificate, key }),
    });
    secured.on('error', () => undefined);
    return secured;
  }

  #serve(stream: Socket, socket: Socket, greeting: Answer): void {
    let unread = '';
    const heard: string[] = [];
    const take = (octets: Buffer): void => {
      unread += octets.toString('latin1');
      for (let end = unread.indexOf('\n'); end >= 0; end = unread.indexOf('\n')) {
        const line = unread.slice(0, end).replace(/\r$/, '');
        unread = unread.slice(end + 1);
        heard.push(line);
        this.#hear(line, stream !== socket);
        const answer = this.#behaviour.reply(line, heard);
        this.#answer(stream, socket, answer);
        if (/^(?:S STARTTLS|STLS)$/.test(line) && /^(?:S OK|\+OK)( |\r)/m.test(String(answer))) {
          stream.off('data', take);
          this.#serve(this.#secure(socket), socket, undefined);
          return;
        }
      }
    };
    stream.on('data', take);
    this.#answer(stream, socket, greeting);
  }

  #hear(line: string, secured: boolean): void {
    this.heard.push(line);
    if (!secured) {
      this.heardInClear.push(line);
    }
  }

  #answer(stream: Socket, socket: Socket, answer: Answer): void {
    if (answer === undefined) {
      return;
    }
    const { say, ending } = typeof answer === 'string' ? { say: answer, ending: undefined } : answer;
    if (this.#behaviour.dribbleMs !== undefined) {
      this.#dribble(stream, Buffer.from(say, 'latin1'), this.#behaviour.dribbleMs);
      return;
    }
    stream.write(Buffer.from(say, 'latin1'), () => {
      if (ending === 'end') {
        stream.end();
      } else if (ending === 'reset') {
        socket.resetAndDestroy();
      }
    });
  }

  #dribble(stream: Socket, octets: Buffer, everyMs: number): void {
    let at = 0;
    const timer = setInterval(() => {
      if (at >= octets.length || stream.destroyed) {
        clearInterval(timer);
        return;
      }
      stream.write(octets.subarray(at, at + 1));
      at += 1;
    }, everyMs);
  }
}
