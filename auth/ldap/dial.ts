import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { checkNamed } from '../named-certificate.ts';
import type { Secret } from '../secret.ts';
import { LDAP_CODE, resultText, SERVICE_BIND_HINTS } from './codes.ts';
import { LdapConnection } from './connection.ts';
import { SimpleBind } from './simple-bind.ts';
import { LdapUnreachable } from './unreachable.ts';

/** Where a server is, and how it is told from a false one. */
export interface LdapTarget {
  /** `ldap://host:port` or `ldaps://host:port`, for messages. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly tls: 'none' | 'startTls' | 'implicit';
  /** PEM of the authorities that may vouch for the server; `undefined` takes the system's. */
  readonly ca: Buffer | undefined;
  /** Name that the certificate must have; `undefined` takes the host. */
  readonly serverName: string | undefined;
}

/** Who the proxy is at the directory. */
export interface ServiceAccount {
  readonly dn: string;
  readonly password: Secret;
}

const KEEP_ALIVE_MS = 60_000;

/**
 * Opens a connection that is nobody yet: for binds.
 * @throws {LdapUnreachable} `connect`, saying what stood in the way.
 */
export async function dialLdap(target: LdapTarget, signal: AbortSignal): Promise<LdapConnection> {
  try {
    const tcp = connectTcp({
      host: target.host,
      port: target.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    });
    await opened(tcp, 'connect', signal);
    if (target.tls === 'none') {
      return new LdapConnection(tcp, target.url);
    }
    const bare = target.tls === 'startTls' ? await new LdapConnection(tcp, target.url).startTls(signal) : tcp;
    return new LdapConnection(await secured(bare, target, signal), target.url);
  } catch (error) {
    throw unreachable(error, target.url);
  }
}

/**
 * Opens a connection that is the proxy's own service account, or nobody where there is none: for searches.
 * @throws {LdapUnreachable} `connect`, also when the server refuses the account.
 */
export async function dialAsService(
  target: LdapTarget,
  account: ServiceAccount | undefined,
  signal: AbortSignal,
): Promise<LdapConnection> {
  const connection = await dialLdap(target, signal);
  const bind = account === undefined ? undefined : SimpleBind.of(account.dn, account.password);
  if (bind === undefined) {
    return connection;
  }
  try {
    const result = await connection.bind(bind, signal);
    if (result.code === LDAP_CODE.success) {
      return connection;
    }
    connection.close();
    const why = resultText(result, SERVICE_BIND_HINTS);
    throw new LdapUnreachable(`${target.url}: ${why} (bindDn ${bind.dn})`, { stage: 'connect' });
  } catch (error) {
    throw unreachable(error, target.url);
  }
}

async function secured(bare: Socket, target: LdapTarget, signal: AbortSignal): Promise<Socket> {
  const name = target.serverName ?? target.host;
  const tls = connectTls({
    socket: bare,
    // Node verifies the certificate against this, and takes names only for the SNI.
    host: name,
    ...(isIP(name) === 0 && { servername: name }),
    ...(target.ca !== undefined && { ca: target.ca }),
    minVersion: 'TLSv1.2',
    // Not left to the environment: NODE_TLS_REJECT_UNAUTHORIZED would have anybody be the directory.
    rejectUnauthorized: true,
    checkServerIdentity: checkNamed,
  });
  await opened(tls, 'secureConnect', signal);
  return tls;
}

/** Waits until a socket is open; destroys it when that fails or takes too long. */
function opened(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onEnd = (): void => reject(new Error('closed by the server'));
  const onAbort = (): void => reject(new Error('no answer in time', { cause: signal.reason }));
  const settle = (): void => {
    socket.off(event, resolve).off('error', reject).off('close', onEnd);
    signal.removeEventListener('abort', onAbort);
  };
  socket.once(event, resolve).once('error', reject).once('close', onEnd);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) {
    onAbort();
  }
  return promise.then(settle, (error: unknown) => {
    settle();
    // Whatever else the socket says is about its destruction.
    socket.on('error', () => undefined).destroy();
    throw error;
  });
}

function unreachable(error: unknown, url: string): LdapUnreachable {
  if (error instanceof LdapUnreachable && error.stage === 'connect') {
    return error;
  }
  const why = error instanceof Error ? error.message : String(error);
  return new LdapUnreachable(`connect to ${url}: ${why}`, { stage: 'connect', cause: error });
}
