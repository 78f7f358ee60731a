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
  #oldest: Entry<Value> | undefined;
  #newest: Entry<Value> | undefined;

  /** @param now a monotonic clock in milliseconds. */
  constructor(max: number, now: () => number) {
    this.#max = max;
    this.#now = now;
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

  #forget(entry: Entry<Value> | undefined): void {
    if (entry === undefined) {
      return;
    }
    this.#entries.delete(entry.name);
    this.#unlink(entry);
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
