import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { plainIp } from '../protocols/ip.ts';
import type { Address, Sink, TlsState, Transport } from '../protocols/transport.ts';
import { clientCertificateOf } from './client-certificate.ts';

/** How long a closed connection may take to deliver its last words. */
const LINGER_MS = 1000;
/** What a peer may still send meanwhile; whoever sends more is flooding us, and need not hear our last words. */
const MAX_LINGER_OCTETS = 128 * 1024;

/** Drops what still comes from a peer that we are done with. */
const NOBODY: Sink = { octets() {}, drained() {}, ended() {}, closed() {} };

/** Starts TLS on a socket, in the role that the connection has; rejects with the signal's reason when it aborts. */
export type Upgrade = (socket: Socket, signal: AbortSignal) => Promise<TLSSocket>;

/** The connection ended before its peer had said a word, as of those who only ask whether somebody listens. */
export class NothingSaid extends Error {
  override readonly name = 'NothingSaid';
}

/** What a balancer says of a connection, in place of what its socket shows. */
export interface Introduction {
  readonly remote: Address;
  readonly local: Address;
  /** The client's TLS, if it ended at the balancer: all that is known of it then, whatever is spoken with us. */
  readonly tls: TlsState | undefined;
}

/** A connection that was accepted, which a balancer may introduce. */
export interface Accepted extends Transport {
  /**
   * Gives the same connection, as its balancer introduced it; this transport, which must be paused, is spent. What was
   * read too far comes again, in TLS too.
   */
  introduce(introduction: Introduction, unread: Buffer): Transport;
}

/**
 * A socket as the protocols see it. Its listeners are set once and pass events to the sink of the moment, so that a
 * change of phase costs nothing. The socket must allow half-open connections.
 */
export class SocketTransport implements Accepted {
  readonly remote: Address;
  readonly local: Address;
  readonly tls: TlsState | undefined;
  readonly #socket: Socket;
  readonly #upgrade: Upgrade;
  readonly #introduction: Introduction | undefined;
  #sink: Sink = NOBODY;
  #reading = false;
  #ended = false;
  #closed = false;
  #error: Error | undefined;

  constructor(socket: Socket, upgrade: Upgrade, introduction?: Introduction) {
    this.#socket = socket;
    this.#upgrade = upgrade;
    this.#introduction = introduction;
    this.remote = introduction?.remote ?? {
      ip: plainIp(socket.remoteAddress),
      port: socket.remotePort ?? 0,
    };
    this.local = introduction?.local ?? { ip: plainIp(socket.localAddress), port: socket.localPort ?? 0 };
    this.tls = introduction?.tls ?? (socket instanceof TLSSocket ? tlsState(socket) : undefined);
    socket.on('drain', this.#drain).on('end', this.#end).on('error', this.#fail).on('close', this.#close);
  }

  attach(sink: Sink): void {
    this.#sink = sink;
    if (this.#closed) {
      sink.closed(this.#error);
    } else if (this.#ended) {
      sink.ended();
    }
    if (!this.#reading) {
      this.#reading = true;
      this.#socket.on('data', this.#data);
      // It was paused behind the header; this sink has not paused it.
      if (this.#introduction !== undefined) this.#socket.resume();
    }
  }

  write(octets: Buffer): boolean {
    return this.#socket.writable ? this.#socket.write(octets) : true;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  close(lingerMs = LINGER_MS): void {
    let left = MAX_LINGER_OCTETS;
    const drop = (chunk: Buffer): void => {
      left -= chunk.length;
      if (left < 0) {
        this.#socket.destroy();
      }
    };
    this.attach({ ...NOBODY, octets: drop });
    if (this.#socket.closed || (this.#ended && this.#socket.writableFinished)) {
      this.#socket.destroy();
      return;
    }
    // A socket that is destroyed with unread input resets the connection, and the peer would lose our last words:
    // so FIN first, and whatever comes is read and dropped until the peer's FIN, for a while.
    const linger = setTimeout(() => this.#socket.destroy(), lingerMs);
    this.#socket.once('close', () => clearTimeout(linger));
    this.#socket.end(() => {
      if (this.#ended) {
        this.#socket.destroy();
      }
    });
    this.#socket.once('end', () => this.#socket.destroySoon());
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async upgradeTls(signal: AbortSignal): Promise<Transport> {
    this.#letGo();
    const secured = await this.#upgrade(this.#socket, signal);
    return new SocketTransport(secured, this.#upgrade, this.#introduction);
  }

  introduce(introduction: Introduction, unread: Buffer): Transport {
    this.#letGo();
    if (unread.length > 0) this.#socket.unshift(unread);
    return new SocketTransport(this.#socket, this.#upgrade, introduction);
  }

  #letGo(): void {
    this.#sink = NOBODY;
    this.#socket.off('data', this.#data).off('drain', this.#drain).off('end', this.#end);
    // Nothing holds this transport from now on, for as long as the session is relayed; and an error that nobody
    // listens for would end the process.
    this.#socket.off('close', this.#close).off('error', this.#fail).off('error', ignore).on('error', ignore);
  }

  readonly #data = (chunk: Buffer): void => {
    this.#sink.octets(chunk);
  };

  readonly #drain = (): void => {
    this.#sink.drained();
  };

  readonly #end = (): void => {
    this.#ended = true;
    this.#sink.ended();
  };

  readonly #fail = (error: Error): void => {
    this.#error = error;
  };

  readonly #close = (): void => {
    this.#closed = true;
    this.#sink.closed(this.#error);
  };
}

/** Takes the errors of a socket whose connection goes on elsewhere, where they are told too. */
function ignore(): void {}

function tlsState(socket: TLSSocket): TlsState {
  const serverName: unknown = socket.servername;
  const { trusted, refused } = clientCertificateOf(socket);
  return {
    version: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().name,
    serverName: typeof serverName === 'string' ? serverName : undefined,
    clientCertificate: trusted,
    ...(refused === undefined ? {} : { refusedCertificate: refused }),
    channelBinding: channelBindingOf(socket),
  };
}

// RFC 9266 section 3; in TLS 1.2 it holds only with the extended master secret, of which Node tells nothing.
function channelBindingOf(socket: TLSSocket): TlsState['channelBinding'] {
  if (socket.getProtocol() !== 'TLSv1.3') {
    return undefined;
  }
  // A socket that is gone has nothing to export from.
  return () =>
    socket.destroyed
      ? undefined
      : socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
}
