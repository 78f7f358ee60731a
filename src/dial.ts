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
export async function dial(target: Target, signal: AbortSignal): Promise<Transport> {
  const { host, port, tls } = target;
  const upgrade = tls.mode === 'none' ? noUpgrade : clientUpgrade(tls, host);
  const socket = await connectTo(host, port, signal);
  if (tls.mode !== 'implicit') {
    return new SocketTransport(socket, upgrade);
  }
  try {
    return new SocketTransport(await upgrade(socket, signal), upgrade);
  } catch (error) {
    throw tlsFailure(target, error, signal);
  }
}

function tlsFailure({ host, port }: Target, cause: unknown, signal: AbortSignal): LoginFailure {
  const reason = signal.aborted ? 'nodeUnreachable' : 'nodeTlsFailed';
  return new LoginFailure(reason, `TLS to ${host}:${port}: ${reasonOf(cause)}`, { cause });
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
    reject(new LoginFailure('nodeUnreachable', `connect to ${host}:${port}: ${reasonOf(cause)}`, { cause }));
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

/** Of several addresses that were tried, each has its own error. */
function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError) {
    return cause.errors.map(reasonOf).join('; ');
  }
  return cause instanceof Error ? cause.message : String(cause);
}
