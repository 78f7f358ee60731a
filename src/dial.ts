import { connect, type Socket } from 'node:net';
import { LoginFailure } from '../auth/failure.ts';
import type { Transport } from '../protocols/transport.ts';
import type { NodeTls } from './settings.ts';
import { clientUpgrade, noUpgrade } from './tls.ts';
import { SocketTransport } from './transport.ts';

const KEEPALIVE_MS = 120_000;

/** Where a node is, and how it is spoken to there. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly tls: NodeTls;
}

/**
 * Connects to a node, through TLS where it is implicit. The caller owns the transport.
 * @param signal ends the attempt, whatever it is waiting for.
 * @throws {LoginFailure} nodeUnreachable, nodeTlsFailed.
 */
export async function dial(target: Target, handshakeMs: number, signal: AbortSignal): Promise<Transport> {
  const { host, port, tls } = target;
  const upgrade = tls.mode === 'none' ? noUpgrade : clientUpgrade(tls, host, handshakeMs);
  const socket = await connectTo(host, port, signal);
  if (tls.mode !== 'implicit') {
    return new SocketTransport(socket, upgrade);
  }
  const giveUp = (): void => {
    socket.destroy();
  };
  signal.addEventListener('abort', giveUp);
  try {
    return new SocketTransport(await upgrade(socket), upgrade);
  } catch (error) {
    throw tlsFailure(target, error);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

function tlsFailure({ host, port }: Target, cause: unknown): LoginFailure {
  return new LoginFailure('nodeTlsFailed', `TLS to ${host}:${port}: ${String(cause)}`, { cause });
}

async function connectTo(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({
    host,
    port,
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEPALIVE_MS,
  });
  const fail = (cause: unknown): void => {
    reject(new LoginFailure('nodeUnreachable', `connect to ${host}:${port}: ${String(cause)}`, { cause }));
    socket.destroy();
  };
  const giveUp = (): void => fail(signal.reason);
  if (signal.aborted) {
    giveUp();
  }
  signal.addEventListener('abort', giveUp);
  socket.once('connect', () => resolve(socket)).once('error', fail);
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', giveUp);
    socket.removeAllListeners('connect').off('error', fail);
    // Until a transport listens, an error has nowhere else to go; 'close' will tell it.
    socket.on('error', () => undefined);
  }
}
