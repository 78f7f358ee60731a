import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { noUpgrade } from '../../src/tls.ts';
import { SocketTransport } from '../../src/transport.ts';

/** Two ends of a TCP connection on this machine: one as the proxy holds it, one as its peer does. */
export interface SocketPair {
  readonly ours: SocketTransport;
  readonly ourSocket: Socket;
  readonly theirs: Socket;
}

export async function socketPair(): Promise<SocketPair> {
  const server = createServer({ allowHalfOpen: true });
  const port = await listenOn(server);
  const theirs = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const [ourSocket] = (await once(server, 'connection')) as [Socket];
  server.close();
  // That the peer sees a reset where we drop a connection is what some tests are about.
  theirs.on('error', () => undefined);
  return { ours: new SocketTransport(ourSocket, noUpgrade), ourSocket, theirs };
}

/** Listens on a free port of the loopback address, and gives it. */
export async function listenOn(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Reads up to the end of what the peer sends. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

export function sha256(octets: Buffer): string {
  return createHash('sha256').update(octets).digest('hex');
}

/** Connects to a port of this machine and resets that connection; resolves when it is gone. */
export async function resetAtOnce(port: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.resetAndDestroy());
    socket.on('error', () => undefined).once('close', () => resolve());
  });
}
