import { Recent } from '../../auth/recent.ts';

interface Owned<Value> {
  readonly owner: string;
  readonly name: string;
  readonly value: Value;
}

/** How many are remembered, for how long, and who is told. */
export interface FairRecentOptions<Value> {
  readonly max: number;
  readonly perOwner: number;
  readonly forMs: number;
  /** A monotonic clock in milliseconds. */
  readonly now: () => number;
  /** Is told of each value that is let go. */
  readonly forgotten?: (value: Value) => void;
}

/** What happened lately, by name, of which no owner has more than his share: his own oldest goes first. */
export class FairRecent<Value> {
  readonly #options: FairRecentOptions<Value>;
  readonly #all: Recent<Owned<Value>>;
  /** Names by owner, the least recently set first. */
  readonly #names = new Map<string, Set<string>>();

  constructor(options: FairRecentOptions<Value>) {
    this.#options = options;
    this.#all = new Recent(options.max, options.now, (owned) => this.#letGo(owned));
  }

  get size(): number {
    return this.#all.size;
  }

  get(name: string): Value | undefined {
    return this.#all.get(name)?.value;
  }

  set(owner: string, name: string, value: Value): void {
    const before = this.#all.get(name);
    if (before !== undefined && before.owner !== owner) this.#all.delete(name);
    const names = this.#names.get(owner) ?? new Set();
    this.#names.set(owner, names);
    names.delete(name);
    names.add(name);
    this.#all.set(name, { owner, name, value }, this.#options.forMs);
    const [oldest] = names;
    if (names.size > this.#options.perOwner && oldest !== undefined) this.#all.delete(oldest);
  }

  /** Lets go of what is over. */
  expire(): void {
    this.#all.expire();
  }

  *[Symbol.iterator](): Generator<readonly [name: string, value: Value]> {
    for (const [name, { value }] of this.#all) yield [name, value];
  }

  #letGo({ owner, name, value }: Owned<Value>): void {
    const names = this.#names.get(owner);
    names?.delete(name);
    if (names?.size === 0) this.#names.delete(owner);
    this.#options.forgotten?.(value);
  }
}
