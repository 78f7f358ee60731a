import { createHash } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext, TLSSocket, type TLSSocketOptions } from 'node:tls';
import { Deadline } from '../auth/deadline.ts';
import { checkNamed } from '../auth/named-certificate.ts';
import { plainIp } from '../protocols/ip.ts';
import type { NodeTls } from './settings.ts';
import { contextFor, type TlsContexts } from './tls-contexts.ts';
import { describeTlsProblem } from './tls-problem.ts';
import { NothingSaid, type Upgrade } from './transport.ts';

/**
 * Prepares TLS towards clients.
 * @param contexts gives what is to be used now; a handshake ends with what it began with.
 * @param remedyFor says what else may be wrong with a peer of this address that speaks no TLS.
 * @returns how to start it on an accepted socket; rejects when the handshake fails or takes longer than `handshakeMs`.
 */
export function serverUpgrade(
  contexts: () => TlsContexts,
  alpn: string,
  handshakeMs: number,
  remedyFor: (ip: string) => string | undefined = () => undefined,
): Upgrade {
  const chooseAlpn = only(alpn);
  return async (socket, signal) => {
    using deadline = new Deadline(handshakeMs, signal);
    const before = socket.bytesRead - socket.readableLength;
    const secured = new TLSSocket(socket, serverOptions(contexts(), chooseAlpn));
    try {
      return await handshake(secured, 'secure', deadline.signal);
    } catch (error) {
      const silent = socket.bytesRead === before && !deadline.signal.aborted;
      if (silent) throw new NothingSaid('the peer closed the connection without a word', { cause: error });
      const remedy = isNoTls(error) ? remedyFor(plainIp(socket.remoteAddress)) : undefined;
      if (remedy === undefined || !(error instanceof Error)) throw error;
      throw new Error(`${error.message}; ${remedy}`, { cause: error });
    }
  };
}

function isNoTls(error: unknown): boolean {
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === 'ERR_SSL_WRONG_VERSION_NUMBER';
}

/**
 * A client that speaks another protocol by ALPN was led here (ALPACA); one that names none is an ordinary mail client. Of
 * a list Node would make octets for each connection, out of a piece of 64 KiB that stays as long as one of them does.
 */
function only(alpn: string): NonNullable<TLSSocketOptions['ALPNCallback']> {
  return ({ protocols }) => (protocols.includes(alpn) ? alpn : undefined);
}

function serverOptions(
  contexts: TlsContexts,
  chooseAlpn: TLSSocketOptions['ALPNCallback'],
): TLSSocketOptions {
  return {
    isServer: true,
    secureContext: contexts.fallback,
    SNICallback: (name, use) => {
      const context = contextFor(contexts, name);
      // The one that it began with, it must not change to: it would lose all pairs but one.
      if (context === contexts.fallback) use(null);
      else use(null, context);
    },
    ALPNCallback: chooseAlpn,
    requestCert: contexts.asksClients,
    // RFC 9051 section 6.2.1: a certificate alone logs nobody in. Who has none that we trust has other mechanisms.
    rejectUnauthorized: false,
  };
}

/**
 * Prepares TLS towards a node, which must prove that it is `host`, or has the pinned certificate.
 * @returns how to start it on a connected socket.
 */
export function clientUpgrade(tls: Exclude<NodeTls, { mode: 'none' }>, host: string): Upgrade {
  const name = tls.serverName ?? host;
  const options = {
    host: name,
    ...(isIP(name) === 0 ? { servername: name } : {}),
    // The pin says more than any authority; it is checked below, before anything is sent.
    rejectUnauthorized: tls.pin === undefined,
    checkServerIdentity: checkNamed,
  };
  return async (socket, signal) => {
    const secured = await handshake(
      connect({ ...options, secureContext: contextOf(tls), socket }),
      'secureConnect',
      signal,
    );
    const shown = tls.pin === undefined ? undefined : fingerprint(secured);
    if (shown !== tls.pin) {
      secured.destroy();
      throw new Error(`its certificate is not the pinned one: the sha256 is ${shown}`);
    }
    return secured;
  };
}

const nodeContexts = new WeakMap<NodeTls, SecureContext>();

/** One for all connections by the same settings, since each has the authorities for itself, read anew. */
function contextOf(tls: Exclude<NodeTls, { mode: 'none' }>): SecureContext {
  const known = nodeContexts.get(tls);
  if (known !== undefined) return known;
  const context = createSecureContext({
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    minVersion: 'TLSv1.2',
  });
  nodeContexts.set(tls, context);
  return context;
}

function fingerprint(socket: TLSSocket): string {
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? 'none' : createHash('sha256').update(certificate.raw).digest('hex');
}

async function handshake(socket: TLSSocket, done: string, signal: AbortSignal): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const fail = (error?: unknown): void => {
    reject(error instanceof Error ? error : new Error('the peer closed the connection in the TLS handshake'));
  };
  const succeed = (): void => resolve(socket);
  const giveUp = (): void => reject(signal.reason);
  signal.addEventListener('abort', giveUp);
  socket.once(done, succeed).once('error', fail).once('_tlsError', fail).once('close', fail);
  // Our own side of a half-open connection would wait for a peer that sends no more.
  socket.once('end', fail);
  try {
    signal.throwIfAborted();
    const secured = await promise;
    // Node closes a socket of its own TLS server at a bad record, but only tells of it where TLS was put on by hand.
    secured.on('_tlsError', (error: Error) => secured.destroy(error));
    return secured;
  } catch (error) {
    // It may fail once more while it goes down.
    socket.on('error', () => undefined);
    socket.destroy();
    throw signal.aborted ? signal.reason : new Error(describeTlsProblem(error), { cause: error });
  } finally {
    signal.removeEventListener('abort', giveUp);
    socket.off(done, succeed).off('error', fail).off('_tlsError', fail).off('close', fail).off('end', fail);
  }
}

/** A socket that can't be secured: for listeners and nodes without TLS. */
export async function noUpgrade(_socket: Socket): Promise<TLSSocket> {
  throw new Error('TLS is not configured here');
}
