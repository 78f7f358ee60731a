import type { Writable } from 'node:stream';

// About 20,000 lines: minutes of a busy proxy, and little memory.
const MAX_WAITING_OCTETS = 4 * 1024 * 1024;

/**
 * Where log lines go. Mail is worth more than its log: a reader that is slow or gone costs lines, which are counted,
 * and never stops or ends the program.
 */
export class LogOutput {
  readonly #stream: Writable;
  readonly #maxWaitingOctets: number;
  #dropped = 0;
  #unreported = 0;
  #failing = false;

  constructor(stream: Writable, maxWaitingOctets = MAX_WAITING_OCTETS) {
    this.#stream = stream;
    this.#maxWaitingOctets = maxWaitingOctets;
    // Without a listener EPIPE would end the process; the write's own callback counts it.
    stream.on('error', () => {});
  }

  /** Lines lost since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  write(line: string): void {
    if (this.#stream.writableLength > this.#maxWaitingOctets) {
      this.#drop();
      return;
    }
    this.#stream.write(line, (error) => {
      this.#failing = error instanceof Error;
      if (this.#failing) this.#drop();
    });
  }

  /** How many lost lines the log has not told of yet; 0 while it could not be told. */
  takeUnreported(): number {
    if (this.#failing || this.#stream.writableLength > this.#maxWaitingOctets / 2) return 0;
    const lines = this.#unreported;
    this.#unreported = 0;
    return lines;
  }

  /** Waits until everything was written, `ms` at most. */
  async flush(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#stream.write('', () => resolve());
    await promise;
    clearTimeout(timer);
  }

  #drop(): void {
    this.#dropped += 1;
    this.#unreported += 1;
  }
}
