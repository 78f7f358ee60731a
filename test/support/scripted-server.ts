import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { listenOn } from './sockets.ts';

/** A node that does what a real one can't be made to do: it plays a script, and shows what it got. */
export class ScriptedServer implements AsyncDisposable {
  readonly connections: Socket[] = [];
  /** What all connections sent. */
  received = '';
  readonly #server: Server;
  readonly #port: number;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.#port = port;
  }

  /** `play` is given each connection, and a way to wait for a line of the proxy. */
  static async start(
    play: (socket: Socket, line: () => Promise<string>) => Promise<void>,
  ): Promise<ScriptedServer> {
    const server = createServer();
    const scripted = new ScriptedServer(server, await listenOn(server));
    server.on('connection', (socket) => scripted.#serve(socket, play));
    return scripted;
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

  #serve(socket: Socket, play: (socket: Socket, line: () => Promise<string>) => Promise<void>): void {
    this.connections.push(socket);
    let unread = '';
    let wake: () => void = () => undefined;
    socket.on('error', () => undefined);
    socket.on('data', (octets: Buffer) => {
      this.received += octets.toString('latin1');
      unread += octets.toString('latin1');
      wake();
    });
    const line = async (): Promise<string> => {
      while (!unread.includes('\n')) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const end = unread.indexOf('\n');
      const text = unread.slice(0, end).replace(/\r$/, '');
      unread = unread.slice(end + 1);
      return text;
    };
    void play(socket, line);
  }
}
