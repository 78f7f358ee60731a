import type { ClientCertificate } from '../auth/sasl.ts';

/** What is known of a TLS session, for the log and for policies. */
export interface TlsState {
  /** `TLSv1.2` or `TLSv1.3`. */
  readonly version: string;
  readonly cipher: string;
  /** SNI, as the client sent it. */
  readonly serverName: string | undefined;
  /** The client's, where it showed one that we trust. */
  readonly clientCertificate: ClientCertificate | undefined;
  /** The client's, where it showed one that we don't trust; it is as good as none. */
  readonly refusedCertificate?: RefusedCertificate;
  /**
   * Gives the octets that only the two ends of this TLS connection know: `tls-exporter` (RFC 9266); `undefined` once it
   * is gone. It's left undefined where there never are any: before TLS 1.3, and where somebody else ended the TLS.
   */
  readonly channelBinding: (() => Buffer | undefined) | undefined;
}

/** A certificate that proves nothing. */
export interface RefusedCertificate {
  /** As in a `ClientCertificate`; written by whoever made it. */
  readonly subject: string;
  readonly why: string;
}

/** An end of a TCP connection. */
export interface Address {
  readonly ip: string;
  readonly port: number;
}

/** Who takes what a transport brings; one at a time, each phase of a connection has its own. */
export interface Sink {
  /** Octets came; the sink may keep the buffer. */
  octets(chunk: Buffer): void;
  /** The transport takes more after a `write` that returned false. */
  drained(): void;
  /** The peer will send no more (FIN). */
  ended(): void;
  /** The connection is gone; `error` when it did not end in order. Called once, last. */
  closed(error: Error | undefined): void;
}

/** A TCP or TLS connection as the protocols see it. Made by the program, which owns the socket. */
export interface Transport {
  readonly remote: Address;
  readonly local: Address;
  /** `undefined` while the connection is in clear text. */
  readonly tls: TlsState | undefined;
  /**
   * Hands all events to `sink` from now on, and starts reading the first time; a paused transport stays paused. An end
   * that came before is told at once.
   */
  attach(sink: Sink): void;
  /** Queues octets; false asks the caller to wait for `drained`. Octets for a closed connection are dropped. */
  write(octets: Buffer): boolean;
  /** Stops and restarts reading, so that a slow reader slows its peer. */
  pause(): void;
  resume(): void;
  /** Sends FIN behind what is queued; the other direction stays open. */
  end(): void;
  /** Sends what is queued, then closes both directions; at once when it takes longer than `lingerMs`. */
  close(lingerMs?: number): void;
  /** Closes at once; what is queued is lost. */
  destroy(): void;
  /**
   * Starts TLS on the connection, in the role it has; this transport is spent afterwards. When that fails, or `signal`
   * aborts, the connection is closed, and it rejects with why.
   */
  upgradeTls(signal: AbortSignal): Promise<Transport>;
}

/** A connection that has left its protocol: what was read behind the login goes first. */
export interface Detached {
  readonly transport: Transport;
  readonly residual: Buffer;
}
