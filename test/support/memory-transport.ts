import type { Sink, TlsState, Transport } from '../../protocols/transport.ts';

const TLS: TlsState = {
  version: 'TLSv1.3',
  cipher: 'TLS_AES_128_GCM_SHA256',
  serverName: undefined,
  clientCertificate: undefined,
  channelBinding: () => Buffer.from('the channel binding of a test...'),
};

/** A connection without a network: what is written is kept, what is fed arrives at once. */
export class MemoryTransport implements Transport {
  readonly remote = { ip: '192.0.2.7', port: 40000 };
  readonly local = { ip: '192.0.2.1', port: 143 };
  readonly tls: TlsState | undefined;
  /** Of this transport and those that it was upgraded from, in order. */
  readonly #written: Buffer[];
  #sink: Sink | undefined;
  readonly #waiting: Buffer[] = [];
  paused = false;
  closedBy: 'close' | 'destroy' | 'end' | undefined;
  upgraded: MemoryTransport | undefined;

  constructor(tls = false, written: Buffer[] = []) {
    this.tls = tls ? TLS : undefined;
    this.#written = written;
  }

  /** All that was written so far, octet for character. */
  get output(): string {
    return Buffer.concat(this.#written).toString('latin1');
  }

  /** The connection as it is now: in clear text, or in TLS. */
  get current(): MemoryTransport {
    return this.upgraded?.current ?? this;
  }

  feed(octets: string | Buffer): void {
    const chunk = typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets;
    if (this.#sink === undefined) {
      this.#waiting.push(chunk);
    } else {
      this.#sink.octets(chunk);
    }
  }

  /** The peer sends FIN. */
  finish(): void {
    this.#sink?.ended();
  }

  /** The connection is gone. */
  drop(error?: Error): void {
    this.#sink?.closed(error);
  }

  attach(sink: Sink): void {
    this.#sink = sink;
    for (const chunk of this.#waiting.splice(0)) {
      sink.octets(chunk);
    }
  }

  write(octets: Buffer): boolean {
    this.#written.push(octets);
    return true;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  end(): void {
    this.closedBy ??= 'end';
  }

  close(): void {
    this.closedBy ??= 'close';
    this.#sink = { octets() {}, drained() {}, ended() {}, closed() {} };
  }

  destroy(): void {
    this.closedBy ??= 'destroy';
  }

  async upgradeTls(_signal: AbortSignal): Promise<Transport> {
    this.#sink = { octets() {}, drained() {}, ended() {}, closed() {} };
    this.#written.push(Buffer.from('<TLS>'));
    this.upgraded = new MemoryTransport(true, this.#written);
    return this.upgraded;
  }
}
