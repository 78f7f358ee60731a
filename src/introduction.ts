/** How a balancer introduces a connection: its PROXY header, read from a transport and taken for what it says. */
import { X509Certificate } from 'node:crypto';
import { escapeDnValue } from '../auth/entries/dn.ts';
import type { ClientCertificate } from '../auth/sasl.ts';
import { type ProxiedTls, type ProxyHeader, ProxyHeaderError } from '../protocols/proxy-facts.ts';
import { parseProxyHeader } from '../protocols/proxy-header.ts';
import type { TlsState, Transport } from '../protocols/transport.ts';
import { describeCertificate } from './client-certificate.ts';
import { type Introduction, NothingSaid } from './transport.ts';

/** A header, and what was read behind it. */
export interface ReceivedHeader {
  readonly header: ProxyHeader;
  readonly unread: Buffer;
}

/**
 * Reads the PROXY header of a connection that must have one, and leaves the transport paused.
 * @throws {ProxyHeaderError} when it is wrong, or the connection ends within it.
 * @throws {NothingSaid} when the connection ends before it.
 * @throws the signal's reason when it aborts.
 */
export async function receiveHeader(transport: Transport, signal: AbortSignal): Promise<ReceivedHeader> {
  const { promise, resolve, reject } = Promise.withResolvers<ReceivedHeader>();
  let octets: Buffer = Buffer.alloc(0);
  const giveUp = (): void => reject(signal.reason);
  const end = (): void => {
    reject(
      octets.length === 0
        ? new NothingSaid('the connection ended before a PROXY header')
        : new ProxyHeaderError('the connection ended within the PROXY header'),
    );
  };
  signal.addEventListener('abort', giveUp);
  transport.attach({
    octets: (chunk) => {
      octets = Buffer.concat([octets, chunk]);
      try {
        const read = parseProxyHeader(octets);
        if (read === undefined) return;
        transport.pause();
        resolve({ header: read.header, unread: octets.subarray(read.length) });
      } catch (error) {
        transport.pause();
        reject(error);
      }
    },
    drained: () => undefined,
    ended: end,
    closed: end,
  });
  try {
    signal.throwIfAborted();
    return await promise;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

/**
 * Says whose connection it is, by its header.
 * @param alpn our protocol's name.
 * @throws {ProxyHeaderError} when the client's TLS was meant for another protocol.
 */
export function introductionOf(
  header: ProxyHeader,
  { remote, local }: Transport,
  alpn: string,
): Introduction {
  if (header.alpn !== undefined && header.alpn.toString('latin1') !== alpn) {
    throw new ProxyHeaderError('the client asked the balancer for another protocol by ALPN');
  }
  return {
    remote: header.ends?.client ?? remote,
    local: header.ends?.listener ?? local,
    tls: header.tls && tlsState(header.tls, header.authority),
  };
}

function tlsState(tls: ProxiedTls, authority: Buffer | undefined): TlsState {
  return {
    version: word(tls.version),
    cipher: word(tls.cipher),
    serverName: utf8(authority),
    ...certificateOf(tls),
    // Its ends are the client and the balancer. A client that bound its proof to it would find us a man in the middle.
    channelBinding: undefined,
  };
}

function word(octets: Buffer | undefined): string {
  const text = octets?.toString('latin1') ?? '';
  return /^[\x21-\x7e]{1,64}$/.test(text) ? text : 'unknown';
}

function utf8(octets: Buffer | undefined): string | undefined {
  if (octets === undefined || octets.length === 0) return undefined;
  const text = octets.toString('utf8');
  return Buffer.from(text, 'utf8').equals(octets) ? text : undefined;
}

function certificateOf(tls: ProxiedTls): Pick<TlsState, 'clientCertificate' | 'refusedCertificate'> {
  if (!tls.certificateVerified) return { clientCertificate: undefined };
  if (tls.certificate === undefined) return { clientCertificate: namedBy(utf8(tls.commonName)) };
  try {
    return { clientCertificate: describeCertificate(new X509Certificate(tls.certificate)) };
  } catch {
    // OpenSSL's errors have no class of their own, and nothing else can fail here.
    const why = 'the certificate that the balancer passed on can not be read';
    return { clientCertificate: undefined, refusedCertificate: { subject: '', why } };
  }
}

function namedBy(commonName: string | undefined): ClientCertificate | undefined {
  if (commonName === undefined || /\p{C}/u.test(commonName)) return undefined;
  return { subject: `CN=${escapeDnValue(commonName)}`, commonName, emails: [], fingerprint: undefined };
}
