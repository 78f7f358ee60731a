import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { listenOn } from './sockets.ts';

/** One connection that went through a relay, as each side sent it. */
export interface Recording {
  readonly fromProxy: Buffer[];
  readonly fromNode: Buffer[];
}

/** A wire that can be listened to: it forwards to a port, and keeps every octet. */
export class RecordingRelay implements AsyncDisposable {
  readonly recordings: Recording[] = [];
  readonly #server: Server;
  readonly #port: number;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.#port = port;
  }

  /** Forwards a free port to `target`, both on 127.0.0.1. */
  static async start(target: number): Promise<RecordingRelay> {
    const server = createServer();
    const relay = new RecordingRelay(server, await listenOn(server));
    server.on('connection', (fromProxy) => relay.#forward(fromProxy, target));
    return relay;
  }

  get port(): number {
    return this.#port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    this.#server.close();
    await once(this.#server, 'close');
  }

  #forward(proxySide: Socket, target: number): void {
    const recording: Recording = { fromProxy: [], fromNode: [] };
    this.recordings.push(recording);
    const nodeSide = connect({ port: target, host: '127.0.0.1' });
    for (const [from, to, kept] of [
      [proxySide, nodeSide, recording.fromProxy],
      [nodeSide, proxySide, recording.fromNode],
    ] as const) {
      this.#sockets.add(from);
      from.on('data', (octets: Buffer) => {
        kept.push(octets);
        to.write(octets);
      });
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => this.#sockets.delete(from));
    }
  }
}

/** All spellings in which a secret could stand in a conversation: as it is, in hex, in base64 at each alignment. */
export function spellings(secret: string): string[] {
  const octets = Buffer.from(secret);
  const inBase64 = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), octets])
      .toString('base64')
      .replace(/=+$/, '');
    // The first and the last characters depend on the neighbours.
    return text.slice(shift === 0 ? 0 : shift + 1, -1);
  });
  return [secret, encodeURIComponent(secret), octets.toString('hex'), ...inBase64];
}
