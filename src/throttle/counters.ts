/** What failed logins are counted by; `exchange` is what was begun and not ended, `overall` all failures. */
export type CounterKind = 'address' | 'network' | 'user' | 'userAndAddress' | 'exchange' | 'overall';

export const COUNTER_KINDS: readonly CounterKind[] = [
  'address',
  'network',
  'user',
  'userAndAddress',
  'exchange',
  'overall',
];

/** What one count is of. */
export interface CounterKey {
  readonly kind: CounterKind;
  /** Login name or account name. */
  readonly user?: string;
  /** An address, or a network of IPv6. */
  readonly place?: string;
}

/** A failure, or one to be: guesses are taken for failures until they turn out to be right. */
export interface Charge extends CounterKey {
  /** Stands for what was tried: the same wrong password again is no other failure. `undefined` is always another. */
  readonly token: number | undefined;
  /** Whether it is counted; else it only asks whether it would be. */
  readonly counts: boolean;
  /** Failures that fade away within a window; no more than twice as many are counted, lest they take for ever. */
  readonly capacity: number;
  /** Failures that the key may have after this one; infinite where it is counted in any case. */
  readonly limit: number;
}

/** What a charge made of its key. */
export interface Tally {
  /** Failures now. They fade, so this is no whole number. */
  readonly count: number;
  /** Whether this charge was counted: not where its token had been, or the key is far beyond its capacity. */
  readonly fresh: boolean;
}

export type Taken =
  | { readonly kind: 'taken'; readonly tallies: readonly Tally[] }
  /** Nothing was counted, as this key has no more to give. */
  | { readonly kind: 'full'; readonly full: CounterKind };

/** Whose counts are meant: a user's, from anywhere, or those of an address or network. */
export type Subject = Required<Pick<CounterKey, 'user'>> | Required<Pick<CounterKey, 'place'>>;

/** A count, as an operator sees it. */
export interface Counted extends CounterKey {
  readonly count: number;
  readonly capacity: number;
}

/**
 * Counts failed logins by key. The one in memory answers at once; one that many proxies share may answer later, and
 * has to go on alone when it takes longer than some 50 ms: no login waits for it, and it never rejects. Each call is one atomic step there
 * too; only `list`, `forget` and `sizes` may look at all keys, for operators and metrics.
 */
export interface CounterStore {
  /** Counts all of the charges, or none of them when one key is full. */
  take(charges: readonly Charge[]): Taken | Promise<Taken>;
  /** Takes charges back that had been counted and were no failures. */
  giveBack(charges: readonly Charge[]): void | Promise<void>;
  list(subject: Subject): readonly Counted[] | Promise<readonly Counted[]>;
  forget(subject: Subject): void | Promise<void>;
  /** How many keys there are of each kind. */
  sizes(): ReadonlyMap<CounterKind, number> | Promise<ReadonlyMap<CounterKind, number>>;
}
