/** What a PROXY header tells, and that one tells nothing that can be believed. */
import type { Address } from './transport.ts';

/** Octets that are no PROXY header, or one that can't be believed: close the connection, say nothing. */
export class ProxyHeaderError extends Error {
  override readonly name = 'ProxyHeaderError';
}

/** What a balancer says of a connection. */
export interface ProxyHeader {
  /** The balancer's own connection, as a health check, on behalf of nobody. */
  readonly local: boolean;
  /** The connection that it accepted; `undefined` where that is unknown or its own: then the socket's ends hold. */
  readonly ends: ProxiedEnds | undefined;
  /** The protocol that the client's TLS was negotiated for (RFC 7301). */
  readonly alpn: Buffer | undefined;
  /** The name that the client asked for: SNI, if it spoke TLS. */
  readonly authority: Buffer | undefined;
  /** The balancer's name for the connection: opaque, at most 128 octets. */
  readonly uniqueId: Buffer | undefined;
  /** The client's TLS, which ended at the balancer; `undefined` for clear text. */
  readonly tls: ProxiedTls | undefined;
}

/** Both ends of the connection that a balancer accepted. */
export interface ProxiedEnds {
  readonly client: Address;
  readonly listener: Address;
}

/** TLS that a client speaks with a balancer, as the balancer tells. */
export interface ProxiedTls {
  readonly version: Buffer | undefined;
  readonly cipher: Buffer | undefined;
  /** Whether the client showed a certificate on this very connection, and the balancer found it right. */
  readonly certificateVerified: boolean;
  /** The certificate's, UTF-8. */
  readonly commonName: Buffer | undefined;
  /** DER. */
  readonly certificate: Buffer | undefined;
}

/** A header, and how many octets it took. */
export interface ReadHeader {
  readonly header: ProxyHeader;
  readonly length: number;
}

/** A header that leaves everything to the socket. */
export const NOTHING_SAID: ProxyHeader = {
  local: false,
  ends: undefined,
  alpn: undefined,
  authority: undefined,
  uniqueId: undefined,
  tls: undefined,
};
