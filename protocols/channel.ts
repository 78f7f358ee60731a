import type { Detached, Sink, TlsState, Transport } from './transport.ts';
import { WireBuffer } from './wire-buffer.ts';

/** Unparsed input that a connection may hold; beyond it, reading stops until some was used, or one piece needs more. */
const MAX_UNPARSED_OCTETS = 64 * 1024;

/** The peer is gone, or will send no more. */
export class Disconnected extends Error {
  override readonly name = 'Disconnected';
}

/** The time for this phase of the connection is up. */
export class DeadlinePassed extends Error {
  override readonly name = 'DeadlinePassed';
}

/** The peer sent more in one piece than may be kept. */
export class InputTooLong extends Error {
  override readonly name = 'InputTooLong';
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * A connection as a protocol speaks it: lines, counted octets, and one clock that every wait ends by. It holds the
 * transport until `detach` or `upgradeTls` hands it on; from then on each use throws.
 */
export class Channel implements Sink {
  readonly #transport: Transport;
  readonly #input = new WireBuffer();
  readonly #abandonment = new AbortController();
  #reader: Waiter | undefined;
  #writer: Waiter | undefined;
  #paused = false;
  #deaf = false;
  /** Octets that the piece that is waited for may have. */
  #wanted = 0;
  #writable = true;
  #failure: Error | undefined;
  #spent = false;
  #upgrade: AbortController | undefined;
  #successor: Channel | undefined;
  #remainingMs = Number.POSITIVE_INFINITY;
  #clockStartedMs = 0;
  #clock: NodeJS.Timeout | undefined;

  constructor(transport: Transport) {
    this.#transport = transport;
    transport.attach(this);
  }

  get tls(): TlsState | undefined {
    return this.#transport.tls;
  }

  /**
   * Aborts when nobody waits for an answer any more: the connection is gone or was closed by us, or the peer ended its
   * side with nothing left to be done behind the current command.
   */
  get abandoned(): AbortSignal {
    return this.#abandonment.signal;
  }

  /** Gives this phase so much time in all, counted while the clock runs. */
  startClock(ms: number): void {
    this.stopClock();
    this.#remainingMs = ms;
    this.resumeClock();
  }

  /** Stops the clock, for the time in which the peer waits for us. */
  stopClock(): void {
    if (this.#clock !== undefined) {
      clearTimeout(this.#clock);
      this.#clock = undefined;
      this.#remainingMs -= performance.now() - this.#clockStartedMs;
    }
  }

  resumeClock(): void {
    // A connection that was closed, or handed on, is held by no clock: nothing would stop it again.
    if (!this.#spent && this.#clock === undefined && this.#remainingMs !== Number.POSITIVE_INFINITY) {
      this.#clockStartedMs = performance.now();
      this.#clock = setTimeout(() => this.#expire(), Math.max(0, this.#remainingMs));
    }
  }

  /**
   * Reads a line, without its CRLF.
   * @param longer gives the limit for a line that is longer than `maxOctets`, from how it starts.
   * @throws {InputTooLong} when the line passes the limit; it may not be there in full.
   */
  async readLine(maxOctets: number, longer?: (start: Buffer) => number): Promise<Buffer> {
    for (;;) {
      const line = this.#takeInput(() => this.#input.takeLine());
      const seen = line ?? this.#input.peek();
      const limit = seen.length > maxOctets ? (longer?.(seen) ?? maxOctets) : maxOctets;
      // One octet more for a CR whose LF has not come yet.
      if (seen.length > limit + 1) {
        throw new InputTooLong(`a line of more than ${limit} octets`);
      }
      if (line !== undefined) {
        return line;
      }
      await this.#moreInput(limit + 2);
    }
  }

  /** Reads exactly `count` octets; the caller has bounded `count`. */
  async readOctets(count: number): Promise<Buffer> {
    for (;;) {
      const octets = this.#takeInput(() => this.#input.takeOctets(count));
      if (octets !== undefined) {
        return octets;
      }
      await this.#moreInput(count);
    }
  }

  /** Reads `count` octets and forgets them as they come. */
  async skipOctets(count: number): Promise<void> {
    let left = count - this.#takeInput(() => this.#input.skip(count));
    while (left > 0) {
      await this.#moreInput(1);
      left -= this.#takeInput(() => this.#input.skip(left));
    }
  }

  /** The first octets that are there, at least so many; they stay unread. */
  async peek(count = 1): Promise<Buffer> {
    while (this.#input.length < count) {
      await this.#moreInput(count);
    }
    return this.#input.peek();
  }

  /** Writes, and waits until the peer takes it if much is queued. Text goes out as UTF-8. */
  async write(output: Buffer | string): Promise<void> {
    this.send(output);
    if (!this.#writable && this.#failure === undefined) {
      await new Promise<void>((resolve, reject) => {
        this.#writer = { resolve, reject };
      });
    }
  }

  /** Writes without waiting, for the last words before the connection is handed on or closed. */
  send(output: Buffer | string): void {
    this.#assertUsable();
    this.#writable = this.#transport.write(typeof output === 'string' ? Buffer.from(output) : output);
  }

  /**
   * Starts TLS. What was received and not read yet is gone with this channel: octets that were sent in clear text
   * behind STARTTLS can't reach what comes after it (RFC 9051 section 6.2.1, RFC 2595 section 4).
   */
  async upgradeTls(): Promise<Channel> {
    this.#assertUsable();
    this.#spent = true;
    const upgrade = new AbortController();
    this.#upgrade = upgrade;
    try {
      const secured = await this.#transport.upgradeTls(upgrade.signal);
      if (upgrade.signal.aborted) {
        // We gave up in the moment in which the handshake ended.
        secured.destroy();
        throw upgrade.signal.reason;
      }
      this.#successor = new Channel(secured);
    } finally {
      this.stopClock();
    }
    this.#successor.startClock(this.#remainingMs);
    return this.#successor;
  }

  /** Gives up the connection, with what was read and not used. */
  detach(): Detached {
    this.#leave();
    this.#transport.pause();
    return { transport: this.#transport, residual: this.#input.takeAll() };
  }

  /**
   * Closes the connection behind what is queued and some last words, wherever `upgradeTls` took it; not what `detach`
   * gave away. Whoever reads or writes it meanwhile gets `Disconnected`.
   */
  close(lastWords = ''): void {
    this.#upgrade?.abort(new Disconnected('we closed the connection'));
    this.#successor?.close(lastWords);
    if (!this.#spent) {
      if (lastWords !== '') {
        this.send(lastWords);
      }
      this.#leave();
      this.#fail(new Disconnected('we closed the connection'));
      this.#abandonment.abort();
      this.#transport.close();
    }
  }

  /** Hears nothing more: each read fails for this reason, and what comes is dropped. What is written still goes out. */
  refuseInput(reason: Error): void {
    this.#deaf = true;
    this.#failure = reason;
    this.#input.takeAll();
    this.#resumeBelow(1);
  }

  octets(chunk: Buffer): void {
    if (this.#deaf) return;
    this.#input.push(chunk);
    if (this.#input.length > Math.max(MAX_UNPARSED_OCTETS, this.#wanted) && !this.#paused) {
      this.#paused = true;
      this.#transport.pause();
    }
    this.#reader?.resolve();
    this.#reader = undefined;
  }

  drained(): void {
    this.#writable = true;
    this.#writer?.resolve();
    this.#writer = undefined;
  }

  ended(): void {
    this.#fail(new Disconnected('the peer closed the connection'));
    // With commands behind the login the peer only told us that there will be no more of them.
    if (this.#input.length === 0) {
      this.#abandonment.abort();
    }
  }

  closed(error: Error | undefined): void {
    this.#fail(new Disconnected('the connection is gone', { cause: error }));
    this.#abandonment.abort();
  }

  #takeInput<T>(take: () => T): T {
    this.#assertUsable();
    const taken = take();
    this.#wanted = 0;
    this.#resumeBelow(MAX_UNPARSED_OCTETS + 1);
    return taken;
  }

  #resumeBelow(octets: number): void {
    if (this.#paused && this.#input.length < octets) {
      this.#paused = false;
      this.#transport.resume();
    }
  }

  /** @param wanted octets that the piece may have in all: a reader that waits for more than may be held would wait for ever. */
  async #moreInput(wanted: number): Promise<void> {
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
    this.#wanted = wanted;
    this.#resumeBelow(wanted);
    await new Promise<void>((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  #expire(): void {
    this.#clock = undefined;
    this.#remainingMs = 0;
    const failure = new DeadlinePassed('the time for this phase is up');
    this.#upgrade?.abort(failure);
    this.#fail(failure);
  }

  /** Nothing more will come; what came before can still be read. */
  #fail(failure: Error): void {
    this.#failure ??= failure;
    this.#reader?.reject(this.#failure);
    this.#reader = undefined;
    this.#writer?.reject(this.#failure);
    this.#writer = undefined;
  }

  #leave(): void {
    this.#assertUsable();
    this.stopClock();
    this.#spent = true;
  }

  #assertUsable(): void {
    if (this.#spent) {
      throw this.#failure ?? new Error('this channel was handed on already');
    }
  }
}
