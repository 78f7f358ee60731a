/** What happened lately, by name: bounded in number, the least recently set is forgotten first. */
export class Recent<Value> {
  readonly #values = new Map<string, { readonly value: Value; readonly untilMs: number }>();
  readonly #max: number;
  readonly #now: () => number;

  /** @param now a monotonic clock in milliseconds. */
  constructor(max: number, now: () => number) {
    this.#max = max;
    this.#now = now;
  }

  get size(): number {
    return this.#values.size;
  }

  set(name: string, value: Value, forMs: number): void {
    this.#values.delete(name);
    this.#values.set(name, { value, untilMs: this.#now() + forMs });
    const oldest = this.#values.keys().next();
    if (this.#values.size > this.#max && oldest.done === false) {
      this.#values.delete(oldest.value);
    }
  }

  /** @returns `undefined` for what was not set, or is over. */
  get(name: string): Value | undefined {
    const found = this.#values.get(name);
    if (found === undefined) {
      return undefined;
    }
    if (found.untilMs <= this.#now()) {
      this.#values.delete(name);
      return undefined;
    }
    return found.value;
  }

  delete(name: string): void {
    this.#values.delete(name);
  }
}
