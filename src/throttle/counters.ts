import { randomBytes } from 'node:crypto';

/** What failed logins are counted by; `overall` is all of them. */
export type CounterKind = 'address' | 'network' | 'user' | 'userAndAddress' | 'overall';

export const COUNTER_KINDS: readonly CounterKind[] = [
  'address',
  'network',
  'user',
  'userAndAddress',
  'overall',
];

/** A failure, or one to be: guesses are taken for failures until they turn out to be right. */
export interface Charge {
  readonly kind: CounterKind;
  readonly id: string;
  /** Stands for what was tried: the same wrong password again is no other failure. `undefined` only asks. */
  readonly token: number | undefined;
  /** Failures that the key may have after this one; infinite where it is counted in any case. */
  readonly limit: number;
}

/** What a charge made of its key. */
export interface Tally {
  /** Failures now. They fade, so this is no whole number. */
  readonly count: number;
  /** Whether this charge was counted: not where its token had been, or the key is far beyond its limit. */
  readonly fresh: boolean;
}

export type Taken =
  | { readonly kind: 'taken'; readonly tallies: readonly Tally[] }
  /** Nothing was counted, as this key has no more to give. */
  | { readonly kind: 'full'; readonly full: CounterKind };

/**
 * Counts failed logins by key. The one in memory answers at once; one that many proxies share may answer later, and
 * has to go on alone when it takes longer than some 50 ms: no login waits for it.
 */
export interface CounterStore {
  /** Counts all of the charges, or none of them when one key is full. */
  take(charges: readonly Charge[]): Taken | Promise<Taken>;
  /** Takes charges back that were no failures. */
  giveBack(charges: readonly Charge[]): void;
  /** How many keys there are of a kind. */
  size(kind: CounterKind): number;
}

export interface CounterOptions {
  /** Failures that fade away within `windowMs`. */
  readonly limits: Readonly<Record<CounterKind, number>>;
  readonly windowMs: number;
  /** The most keys of each kind. */
  readonly maxKeys: number;
  /** A monotonic clock in milliseconds. */
  readonly now: () => number;
}

interface Bucket {
  count: number;
  /** When `count` was right. */
  atMs: number;
  /** What was tried last, the latest at the end. */
  readonly tokens: number[];
}

/** Tokens that a key remembers: who shares an address with more stale clients than that is counted by them. */
const MAX_TOKENS = 32;
/** Heavy keys that are passed by before one of them goes after all. */
const CHANCES = 8;
/** Times the limit that a key counts to, where it is counted in any case: it shall not take for ever to fade. */
const MOST = 2;
/** Failures fade in fractions, which do not add up to the last digit. */
const ROUNDING = 1e-6;

/**
 * Counts in this process. Each kind has a table of its own, so that names without end, which cost an attacker
 * nothing, drive no address out. A key that is idle for a window is forgotten when it is touched or has to make room.
 */
export class MemoryCounters implements CounterStore {
  readonly #options: CounterOptions;
  readonly #tables: Readonly<Record<CounterKind, Map<string, Bucket>>> = {
    address: new Map(),
    network: new Map(),
    user: new Map(),
    userAndAddress: new Map(),
    overall: new Map(),
  };

  constructor(options: CounterOptions) {
    this.#options = options;
  }

  take(charges: readonly Charge[]): Taken {
    const full = charges.find((charge) => this.#isFull(charge));
    return full === undefined
      ? { kind: 'taken', tallies: charges.map((charge) => this.#count(charge)) }
      : { kind: 'full', full: full.kind };
  }

  giveBack(charges: readonly Charge[]): void {
    for (const { kind, id, token } of charges) {
      const bucket = this.#find(kind, id);
      const at = bucket === undefined || token === undefined ? -1 : bucket.tokens.indexOf(token);
      if (bucket !== undefined && at >= 0) {
        bucket.tokens.splice(at, 1);
        bucket.count = Math.max(0, bucket.count - 1);
      }
    }
  }

  size(kind: CounterKind): number {
    return this.#tables[kind].size;
  }

  #isFull({ kind, id, token, limit }: Charge): boolean {
    const bucket = this.#find(kind, id);
    const known = token !== undefined && bucket?.tokens.includes(token) === true;
    return !known && (bucket?.count ?? 0) + 1 > limit + ROUNDING;
  }

  #count({ kind, id, token }: Charge): Tally {
    const bucket = this.#find(kind, id);
    if (token === undefined) {
      return { count: bucket?.count ?? 0, fresh: false };
    }
    const used = bucket ?? { count: 0, atMs: this.#options.now(), tokens: [] };
    const at = used.tokens.indexOf(token);
    const fresh = at < 0 && used.count < MOST * this.#options.limits[kind];
    if (at >= 0) {
      used.tokens.splice(at, 1);
    }
    if (at >= 0 || fresh) {
      used.count += fresh ? 1 : 0;
      used.tokens.push(token);
    }
    if (used.tokens.length > MAX_TOKENS) {
      used.tokens.shift();
    }
    this.#keep(kind, id, used);
    return { count: used.count, fresh };
  }

  /** Gives a bucket as it is now; `undefined` where all is long past. */
  #find(kind: CounterKind, id: string): Bucket | undefined {
    const table = this.#tables[kind];
    const bucket = table.get(id);
    if (bucket === undefined) {
      return undefined;
    }
    const { windowMs, limits, now } = this.#options;
    const idleMs = now() - bucket.atMs;
    if (idleMs >= windowMs) {
      table.delete(id);
      return undefined;
    }
    bucket.count = Math.max(0, bucket.count - (idleMs / windowMs) * limits[kind]);
    bucket.atMs += idleMs;
    return bucket;
  }

  #keep(kind: CounterKind, id: string, bucket: Bucket): void {
    const table = this.#tables[kind];
    table.delete(id);
    table.set(id, bucket);
    if (table.size > this.#options.maxKeys) {
      this.#makeRoom(kind, table);
    }
  }

  // Whoever drives keys out by new ones must not lighten those that are being guessed at.
  #makeRoom(kind: CounterKind, table: Map<string, Bucket>): void {
    for (let chance = 0; chance < CHANCES; chance += 1) {
      const [oldest = ''] = table.keys();
      const bucket = this.#find(kind, oldest);
      table.delete(oldest);
      if (bucket === undefined || bucket.count < this.#options.limits[kind] / 2) {
        return;
      }
      table.set(oldest, bucket);
    }
    const [last = ''] = table.keys();
    table.delete(last);
  }
}

/** Makes a token for what can't be told from another try. */
export function randomToken(): number {
  return randomBytes(6).readUIntBE(0, 6);
}
