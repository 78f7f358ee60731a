import type { LookupAddress } from 'node:dns';
import { connect, type Socket } from 'node:net';
import { LoginFailure } from '../auth/failure.ts';
import type { Transport } from '../protocols/transport.ts';
import { connectToFirst } from './connect.ts';
import { Ways } from './routing/ways.ts';
import type { NodeTls } from './settings.ts';
import { clientUpgrade, noUpgrade } from './tls.ts';
import { SocketTransport } from './transport.ts';

const KEEPALIVE_MS = 120_000;
/** No port of this source is left for the node, or it is no address of this machine. */
const OF_THE_SOURCE: ReadonlySet<unknown> = new Set(['EADDRNOTAVAIL', 'EADDRINUSE']);

/** Where a node is, and how it is spoken to there. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly tls: NodeTls;
}

/**
 * Connects to a node, through TLS where it is implicit. The caller owns the transport.
 * @param signal ends the attempt, whatever it is waiting for.
 * @param ways know the node's addresses and ours; asks the system each time if they are left out.
 * @throws {LoginFailure} nodeUnreachable, nodeTlsFailed.
 */
export async function dial(target: Target, signal: AbortSignal, ways = new Ways()): Promise<Transport> {
  const { host, port, tls } = target;
  const upgrade = tls.mode === 'none' ? noUpgrade : clientUpgrade(tls, host);
  const socket = await connectTo(host, port, ways, signal);
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

async function connectTo(host: string, port: number, ways: Ways, signal: AbortSignal): Promise<Socket> {
  try {
    return await fromSomeSource(host, port, ways, signal);
  } catch (error) {
    throw connectFailure(host, port, error);
  }
}

function connectFailure(host: string, port: number, cause: unknown): LoginFailure {
  return new LoginFailure('nodeUnreachable', `connect to ${host}:${port}: ${reasonOf(cause)}`, { cause });
}

/** A source whose ports are all taken, or that is not there, is no fault of the node: the others are tried. */
async function fromSomeSource(host: string, port: number, ways: Ways, signal: AbortSignal): Promise<Socket> {
  const addresses = await ways.to(host, signal);
  for (let left = ways.sources - 1; ; left -= 1) {
    try {
      return await connectToFirst(addresses, (address) => begin(address, port, ways), signal);
    } catch (error) {
      if (left === 0 || !isOurs(error)) throw error;
    }
  }
}

function begin({ address, family }: LookupAddress, port: number, ways: Ways): Socket {
  const localAddress = ways.from(family);
  return connect({
    host: address,
    port,
    ...(localAddress !== undefined && { localAddress }),
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEPALIVE_MS,
  });
}

function isOurs(error: unknown): boolean {
  const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
  return errors.every((each) => each instanceof Error && 'code' in each && OF_THE_SOURCE.has(each.code));
}

/** Of several addresses that were tried, each has its own error. */
function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError) {
    return cause.errors.map(reasonOf).join('; ');
  }
  return cause instanceof Error ? cause.message : String(cause);
}
