interface Entry<Value> {
  readonly name: string;
  value: Value;
  untilMs: number;
  older: Entry<Value> | undefined;
  newer: Entry<Value> | undefined;
}

/**
 * What happened lately, by name: bounded in number, the least recently set is forgotten first. The order is a list of
 * its own: to ask a Map for its first key is to walk over all that were deleted before it.
 */
export class Recent<Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #max: number;
  readonly #now: () => number;
  readonly #forgotten: (value: Value) => void;
  #oldest: Entry<Value> | undefined;
  #newest: Entry<Value> | undefined;

  /**
   * @param now a monotonic clock in milliseconds.
   * @param forgotten is told of each value that is let go, not of those that another one takes the place of.
   */
  constructor(max: number, now: () => number, forgotten: (value: Value) => void = () => undefined) {
    this.#max = max;
    this.#now = now;
    this.#forgotten = forgotten;
  }

  get size(): number {
    return this.#entries.size;
  }

  set(name: string, value: Value, forMs: number): void {
    const untilMs = this.#now() + forMs;
    const known = this.#entries.get(name);
    if (known === undefined) {
      const entry = { name, value, untilMs, older: undefined, newer: undefined };
      this.#entries.set(name, entry);
      this.#append(entry);
      if (this.#entries.size > this.#max) this.#forget(this.#oldest);
      return;
    }
    known.value = value;
    known.untilMs = untilMs;
    this.#unlink(known);
    this.#append(known);
  }

  /** @returns `undefined` for what was not set, or is over. */
  get(name: string): Value | undefined {
    const found = this.#entries.get(name);
    if (found === undefined) {
      return undefined;
    }
    if (found.untilMs <= this.#now()) {
      this.#forget(found);
      return undefined;
    }
    return found.value;
  }

  delete(name: string): void {
    this.#forget(this.#entries.get(name));
  }

  /** Lets go of what is over, where all are set for the same time: the oldest ends first. */
  expire(): void {
    while (this.#oldest !== undefined && this.#oldest.untilMs <= this.#now()) this.#forget(this.#oldest);
  }

  /** What has not been let go, the least recently set first; some of it may be over. */
  *[Symbol.iterator](): Generator<readonly [name: string, value: Value]> {
    for (let entry = this.#oldest; entry !== undefined; entry = entry.newer) yield [entry.name, entry.value];
  }

  #forget(entry: Entry<Value> | undefined): void {
    if (entry === undefined) {
      return;
    }
    this.#entries.delete(entry.name);
    this.#unlink(entry);
    this.#forgotten(entry.value);
  }

  #append(entry: Entry<Value>): void {
    entry.older = this.#newest;
    entry.newer = undefined;
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
  }

  #unlink({ older, newer }: Entry<Value>): void {
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
  }
}
