import { Recent } from '../../auth/recent.ts';
import {
  type Charge,
  COUNTER_KINDS,
  type Counted,
  type CounterKey,
  type CounterKind,
  type CounterStore,
  type Subject,
  type Taken,
  type Tally,
} from './counters.ts';

export interface CounterOptions {
  readonly windowMs: number;
  /** The most keys of each kind. */
  readonly maxKeys: number;
  /** A monotonic clock in milliseconds. */
  readonly now: () => number;
}

interface Bucket {
  readonly key: CounterKey;
  count: number;
  /** As the last charge said. */
  capacity: number;
  /** When `count` was right. */
  atMs: number;
  /** What was tried last, the latest at the end. */
  readonly tokens: number[];
}

/** Tokens that a key remembers at least; those with more capacity remember as many. */
const LEAST_TOKENS = 32;
/** Heavy keys that are passed by before one of them goes after all. */
const CHANCES = 8;
/** Times the capacity that a key counts to. */
const MOST = 2;
/** Failures fade in fractions, which do not add up to the last digit. */
const ROUNDING = 1e-6;

/**
 * Counts in this process. Each kind has a table of its own, so that names without end, which cost an attacker
 * nothing, drive no address out. A key that is idle for a window is forgotten when it is touched or has to make room.
 */
export class MemoryCounters implements CounterStore {
  readonly #options: CounterOptions;
  readonly #tables: ReadonlyMap<CounterKind, Recent<Bucket>>;

  constructor(options: CounterOptions) {
    this.#options = options;
    // What goes first is decided here.
    this.#tables = new Map(
      COUNTER_KINDS.map((kind) => [kind, new Recent(Number.POSITIVE_INFINITY, options.now)]),
    );
  }

  take(charges: readonly Charge[]): Taken {
    const full = charges.find((charge) => this.#isFull(charge));
    return full === undefined
      ? { kind: 'taken', tallies: charges.map((charge) => this.#count(charge)) }
      : { kind: 'full', full: full.kind };
  }

  giveBack(charges: readonly Charge[]): void {
    for (const charge of charges) {
      const bucket = this.#find(charge);
      const at = charge.token === undefined ? 0 : (bucket?.tokens.indexOf(charge.token) ?? -1);
      if (bucket === undefined || at < 0) continue;
      if (charge.token !== undefined) bucket.tokens.splice(at, 1);
      bucket.count = Math.max(0, bucket.count - 1);
      // Names without end that cost nothing must not displace what is counted.
      if (bucket.count === 0 && bucket.tokens.length === 0) this.#tableOf(charge).delete(nameOf(charge));
    }
  }

  list(subject: Subject): readonly Counted[] {
    return this.#keysOf(subject).flatMap((key) => {
      const bucket = this.#find(key);
      return bucket === undefined ? [] : [{ ...key, count: bucket.count, capacity: bucket.capacity }];
    });
  }

  forget(subject: Subject): void {
    for (const key of this.#keysOf(subject)) this.#tableOf(key).delete(nameOf(key));
  }

  sizes(): ReadonlyMap<CounterKind, number> {
    return new Map([...this.#tables].map(([kind, { size }]) => [kind, size]));
  }

  #keysOf(subject: Subject): readonly CounterKey[] {
    return [...this.#tables.values()].flatMap((table) =>
      [...table].flatMap(([, { key }]) => {
        const isIts = 'user' in subject ? key.user === subject.user : key.place === subject.place;
        return isIts ? [key] : [];
      }),
    );
  }

  #isFull(charge: Charge): boolean {
    const { token, limit } = charge;
    const bucket = this.#find(charge);
    const known = token !== undefined && bucket?.tokens.includes(token) === true;
    return !known && (bucket?.count ?? 0) + 1 > limit + ROUNDING;
  }

  #count(charge: Charge): Tally {
    const { kind, user, place, token, counts, capacity } = charge;
    const bucket = this.#find(charge);
    if (!counts) {
      return { count: bucket?.count ?? 0, fresh: false };
    }
    const key = { kind, ...(user !== undefined && { user }), ...(place !== undefined && { place }) };
    const used = bucket ?? { key, count: 0, capacity, atMs: this.#options.now(), tokens: [] };
    used.capacity = capacity;
    const at = token === undefined ? -1 : used.tokens.indexOf(token);
    const fresh = at < 0 && used.count < MOST * capacity;
    if (at >= 0) used.tokens.splice(at, 1);
    if (token !== undefined && (at >= 0 || fresh)) used.tokens.push(token);
    if (used.tokens.length > Math.max(LEAST_TOKENS, capacity)) used.tokens.shift();
    used.count += fresh ? 1 : 0;
    this.#keep(used);
    return { count: used.count, fresh };
  }

  /** Gives a bucket as it is now; `undefined` where all is long past. */
  #find(key: CounterKey): Bucket | undefined {
    const table = this.#tableOf(key);
    const bucket = table.get(nameOf(key));
    if (bucket === undefined) {
      return undefined;
    }
    const { windowMs, now } = this.#options;
    const idleMs = now() - bucket.atMs;
    if (idleMs >= windowMs) {
      table.delete(nameOf(key));
      return undefined;
    }
    bucket.count = Math.max(0, bucket.count - (idleMs / windowMs) * bucket.capacity);
    bucket.atMs += idleMs;
    return bucket;
  }

  #keep(bucket: Bucket): void {
    const table = this.#tableOf(bucket.key);
    this.#put(table, bucket);
    if (table.size > this.#options.maxKeys) {
      this.#makeRoom(table);
    }
  }

  // Whoever drives keys out by new ones must not lighten those that are being guessed at.
  #makeRoom(table: Recent<Bucket>): void {
    for (let chance = 0; chance < CHANCES; chance += 1) {
      const [oldest] = table;
      const bucket = oldest && this.#find(oldest[1].key);
      if (bucket === undefined || bucket.count < bucket.capacity / 2) {
        if (oldest !== undefined) table.delete(oldest[0]);
        return;
      }
      this.#put(table, bucket);
    }
    const [last] = table;
    if (last !== undefined) table.delete(last[0]);
  }

  /** Puts it behind all others, until its failures have faded, however many they are. */
  #put(table: Recent<Bucket>, bucket: Bucket): void {
    table.set(nameOf(bucket.key), bucket, MOST * this.#options.windowMs);
  }

  #tableOf({ kind }: CounterKey): Recent<Bucket> {
    const table = this.#tables.get(kind);
    if (table === undefined) throw new Error(`no counters of kind ${kind}`);
    return table;
  }
}

// No place has a space in it.
function nameOf({ user = '', place = '' }: CounterKey): string {
  return `${user} ${place}`;
}
