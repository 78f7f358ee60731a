import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';

const REPLY_MS = 15_000;

/** Where to connect, and how. */
export interface WireTarget {
  readonly port: number;
  /** The local address to connect from: any of 127.0.0.0/8. */
  readonly from?: string;
  /** Implicit TLS, the peer's certificate verified against this CA. */
  readonly ca?: string;
  /** How long a wait may take; 15 seconds if it is left out. */
  readonly patienceMs?: number;
}

/** A raw connection of a test to 127.0.0.1, by lines of latin1. Each wait ends in time. */
export class Wire implements AsyncDisposable {
  #socket: Socket;
  /** Below TLS, if there is any. */
  readonly #connection: Socket;
  readonly #patienceMs: number;
  #received = '';
  #ended = false;
  #wake: () => void = () => undefined;
  readonly #gone = Promise.withResolvers<void>();

  private constructor(socket: Socket, patienceMs: number) {
    this.#socket = socket;
    this.#patienceMs = patienceMs;
    this.#connection = socket;
    this.#listen();
  }

  /** Connects; the caller disposes of it. */
  static async open({ port, from, ca, patienceMs = REPLY_MS }: WireTarget): Promise<Wire> {
    const host = '127.0.0.1';
    const local = from === undefined ? {} : { localAddress: from };
    const socket = connect({ host, port, ...local });
    await once(socket, 'connect');
    const wire = new Wire(socket, patienceMs);
    if (ca !== undefined) {
      await wire.startTls(ca);
    }
    return wire;
  }

  /** Sends a line; CR LF is added. */
  send(line: string): void {
    this.#socket.write(Buffer.from(`${line}\r\n`, 'latin1'));
  }

  /** Sends octets as they are. */
  sendRaw(octets: Buffer): void {
    this.#socket.write(octets);
  }

  /** Gives the next line without CR LF. @throws {Error} when the peer closes or says nothing. */
  async line(): Promise<string> {
    const line = await this.lineOrEnd();
    if (line === undefined) {
      throw new Error(`connection closed; last received: ${JSON.stringify(this.#received)}`);
    }
    return line;
  }

  /** Gives the next line; `undefined` when the peer closes instead. */
  async lineOrEnd(): Promise<string | undefined> {
    for (;;) {
      const end = this.#received.indexOf('\r\n');
      if (end >= 0) {
        const line = this.#received.slice(0, end);
        this.#received = this.#received.slice(end + 2);
        return line;
      }
      if (this.#ended) {
        return undefined;
      }
      await this.#change();
    }
  }

  /** Gives the lines up to and with the first that matches. */
  async linesUntil(pattern: RegExp): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.line();
      lines.push(line);
      if (pattern.test(line)) {
        return lines;
      }
    }
  }

  /** Waits until the peer has closed. @returns what it had said before. */
  async closed(): Promise<string> {
    while (!this.#ended) {
      await this.#change();
    }
    return this.#received;
  }

  /** Settles when the connection has ended, whoever ended it. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** Ends the connection as a machine does that lost its memory of it. */
  reset(): void {
    this.#connection.resetAndDestroy();
  }

  /** Upgrades to TLS after the protocol's own command was answered. */
  async startTls(ca: string): Promise<void> {
    this.#socket.removeAllListeners();
    const secureContext = contextOf(ca);
    const name = 'localhost';
    const socket = connectTls({ socket: this.#socket, secureContext, host: name, servername: name });
    await once(socket, 'secureConnect');
    this.#socket = socket;
    this.#listen();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    if (!this.#socket.closed) {
      await once(this.#socket, 'close');
    }
  }

  #listen(): void {
    this.#socket.on('data', (octets: Buffer) => {
      this.#received += octets.toString('latin1');
      this.#wake();
    });
    const ended = () => {
      this.#ended = true;
      this.#gone.resolve();
      this.#wake();
    };
    this.#socket.on('end', ended);
    this.#socket.on('close', ended);
    // A reset shows as the end; what was expected instead is in the error of line().
    this.#socket.on('error', ended);
  }

  async #change(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = setTimeout(
      () => reject(new Error(`nothing in ${this.#patienceMs} ms; unread: ${JSON.stringify(this.#received)}`)),
      this.#patienceMs,
    );
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
  }
}

const contexts = new Map<string, SecureContext>();

/** To read the authorities anew takes as long as the handshake, which tests of thousands of clients feel. */
function contextOf(ca: string): SecureContext {
  const context = contexts.get(ca) ?? createSecureContext({ ca });
  contexts.set(ca, context);
  return context;
}
