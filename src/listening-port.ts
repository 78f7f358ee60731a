import { once } from 'node:events';
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';

/** Connections that may wait to be accepted at each socket: after a node's death many clients come back at once. */
const BACKLOG = 4096;
/**
 * Sockets that share a port. A round of the event loop accepts one connection of each (libuv 1.52), so with a single
 * one a crowd of slow clients that come and go would keep everybody waiting at the door.
 */
const SOCKETS = process.platform === 'linux' ? 8 : 1;
const SERVER_OPTIONS = {
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: 300_000,
} as const;

/** A port that connections are accepted at. */
export class ListeningPort {
  readonly #servers: readonly Server[];

  constructor(onConnection: (socket: Socket) => void) {
    this.#servers = Array.from({ length: SOCKETS }, () => createServer(SERVER_OPTIONS, onConnection));
  }

  /**
   * Begins to listen. @param port 0 lets the system choose.
   * @param onAcceptError is told of connections that could not be accepted, as when descriptors run out.
   * @returns the port. @throws {NodeJS.ErrnoException} when the address can't be had.
   */
  async listen(host: string, port: number, onAcceptError: (error: Error) => void): Promise<number> {
    const free = await probe({ host, port });
    for (const server of this.#servers) {
      await open(server, { host, port: free, backlog: BACKLOG, reusePort: SOCKETS > 1 });
      // It concerns one connection; the port goes on.
      server.on('error', onAcceptError);
    }
    return free;
  }

  /** Accepts no more; open connections go on. */
  close(): void {
    for (const server of this.#servers) {
      server.close();
    }
  }
}

/** Whether nobody has the port: sockets that share it would not be told. @returns the port. */
async function probe(options: ListenOptions): Promise<number> {
  const server = createServer();
  await open(server, options);
  const bound = server.address();
  server.close();
  await once(server, 'close');
  if (typeof bound !== 'object' || bound === null) {
    throw new Error('a TCP server has an address and a port');
  }
  return bound.port;
}

async function open(server: Server, options: ListenOptions): Promise<void> {
  server.listen(options);
  // `once` rejects with the first error.
  await once(server, 'listening');
}
