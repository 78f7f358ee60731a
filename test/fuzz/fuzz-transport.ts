import type { Sink, TlsState, Transport } from '../../protocols/transport.ts';
import type { Random } from './random.ts';

/** A TLS session that a test made up. */
const TLS: TlsState = {
  version: 'TLSv1.3',
  cipher: 'TLS_AES_128_GCM_SHA256',
  serverName: undefined,
  clientCertificate: undefined,
  channelBinding: () => Buffer.from('the channel binding of a fuzzer.'),
};

const NOBODY: Sink = { octets() {}, drained() {}, ended() {}, closed() {} };

/** What both phases of a connection share: before TLS, and in it. */
interface Written {
  clear: string;
  secured: string | undefined;
}

/**
 * A connection without a network, as `MemoryTransport` is one, but made for speed, and with what was written before TLS
 * apart: a tag may be any word, so no mark in the output could tell.
 */
export class FuzzTransport implements Transport {
  readonly remote = { ip: '192.0.2.7', port: 40000 };
  readonly local = { ip: '192.0.2.1', port: 143 };
  readonly tls: TlsState | undefined;
  readonly written: Written;
  /** How many octets the proxy took so far. */
  octetsTaken = 0;
  /** Whether the proxy has closed it. */
  closed = false;
  #paused = false;
  #finished = false;
  /** What came while it was paused. */
  #waiting = '';
  #sink: Sink = NOBODY;
  #upgraded: FuzzTransport | undefined;

  constructor(tls: boolean, written: Written = { clear: '', secured: undefined }) {
    this.tls = tls ? TLS : undefined;
    this.written = written;
  }

  /** The connection as it is now. */
  get current(): FuzzTransport {
    return this.#upgraded ?? this;
  }

  /** How many octets were written so far. */
  get octetsWritten(): number {
    return this.written.clear.length + (this.written.secured?.length ?? 0);
  }

  feed(text: string): void {
    if (this.#paused) {
      this.#waiting += text;
    } else {
      this.octetsTaken += text.length;
      this.#sink.octets(Buffer.from(text, 'latin1'));
    }
  }

  /** The other side sends FIN. */
  finish(): void {
    this.#finished = true;
    if (!this.#paused) {
      this.#sink.ended();
    }
  }

  attach(sink: Sink): void {
    this.#sink = sink;
  }

  write(octets: Buffer): boolean {
    const text = octets.toString('latin1');
    if (this.written.secured === undefined) {
      this.written.clear += text;
    } else {
      this.written.secured += text;
    }
    return true;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    const waiting = this.#waiting;
    this.#waiting = '';
    if (waiting !== '') {
      this.feed(waiting);
    }
    if (this.#finished) {
      this.finish();
    }
  }

  end(): void {}

  close(): void {
    this.closed = true;
    this.#sink = NOBODY;
  }

  destroy(): void {
    this.close();
  }

  async upgradeTls(_signal: AbortSignal): Promise<Transport> {
    this.#sink = NOBODY;
    this.written.secured = '';
    this.#upgraded = new FuzzTransport(true, this.written);
    return this.#upgraded;
  }
}

/** How input is cut: not at all, behind each octet, or anywhere. */
export type Cut = 'whole' | 'octets' | Random;

/** Feeds what a peer sends in one go. What comes behind a command that starts TLS belongs to no one any more. */
export async function feed(transport: FuzzTransport, text: string, cut: Cut): Promise<void> {
  if (cut === 'whole') {
    transport.feed(text);
    return;
  }
  for (let at = 0; at < text.length; ) {
    const size = cut === 'octets' ? 1 : 1 + cut.below(cut.oneIn(3) ? 3 : 60);
    transport.feed(text.slice(at, at + size));
    at += size;
    // Mostly enough for the reader to look, and now and then not, so that it finds several segments at once.
    for (let left = cut === 'octets' ? 4 : cut.below(5); left > 0; left -= 1) {
      await undefined;
    }
  }
}
