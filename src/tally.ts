/** Time in which what happens again and again is told of once. */
const WINDOW_MS = 10_000;

/** Tells of the first of many equal things at once, and of those that follow it once in ten seconds, with their number. */
export class Tally {
  readonly #tell: (latest: string, count: number) => void;
  #untold = 0;
  #latest = '';
  #window: NodeJS.Timeout | undefined;

  constructor(tell: (latest: string, count: number) => void) {
    this.#tell = tell;
  }

  /** Adds one, and what is to be told of it. */
  add(latest: string): void {
    this.#untold += 1;
    this.#latest = latest;
    if (this.#window === undefined) this.#tellNow();
  }

  #tellNow(): void {
    this.#window = setTimeout(() => {
      this.#window = undefined;
      if (this.#untold > 0) this.#tellNow();
    }, WINDOW_MS).unref();
    const count = this.#untold;
    this.#untold = 0;
    this.#tell(this.#latest, count);
  }
}
