/** Remembers which passwords were right, where an operator wants that. */
import { type ChangedEntry, ChangeTimes } from './change-times.ts';
import type { Found, PasswordVerdict } from './directory.ts';
import { NobodyAnswered } from './failure.ts';
import { KeyedHash } from './keyed-hash.ts';
import { Recent } from './recent.ts';
import type { Secret } from './secret.ts';

/** For how long right passwords are remembered. Milliseconds; 0 is not at all. */
export interface PasswordTerms {
  readonly passwordsMs: number;
  /** While no server answers. */
  readonly passwordsWhileDownMs: number;
  readonly max: number;
}

/** What became of a password, and the entry that it was judged by. */
export interface Judgement {
  readonly verdict: PasswordVerdict;
  readonly found: Found;
}

/** Right passwords, as keyed hashes of all that makes them so; a wrong one is never remembered. */
export class RightPasswords {
  readonly #terms: PasswordTerms;
  readonly #keptMs: number;
  readonly #now: () => number;
  readonly #hash = new KeyedHash();
  /** When each was found right. */
  readonly #right: Recent<number>;
  readonly #changed: ChangeTimes;
  #doubtfulMs = Number.NEGATIVE_INFINITY;

  /** @param now a monotonic clock in milliseconds. */
  constructor(terms: PasswordTerms, now: () => number) {
    this.#terms = terms;
    this.#keptMs = Math.max(terms.passwordsMs, terms.passwordsWhileDownMs);
    this.#now = now;
    this.#right = new Recent(terms.max, now);
    this.#changed = new ChangeTimes(terms.max, this.#keptMs, now);
  }

  /** An entry changed in whatever way: what locks an account need not be an attribute that we read. */
  changed(entry: ChangedEntry): void {
    this.#changed.note(entry);
  }

  /** Changes may have been missed: only while no server can be asked is anything remembered used. */
  doubt(): void {
    this.#doubtfulMs = this.#now();
  }

  /**
   * What a judge says of a password, or what he said lately of the entry that was found.
   * @param answered is told where he was not needed, or could not be asked.
   * @throws {LoginFailure} his, where nothing is remembered that may stand for him.
   */
  async verify(
    found: Found,
    password: Secret,
    { judge, answered }: { judge: () => Promise<Judgement>; answered: (by: 'cache' | 'stale') => void },
  ): Promise<PasswordVerdict> {
    const { passwordsMs, passwordsWhileDownMs } = this.#terms;
    // Where nothing of the password is known of the entry, nobody but the node may say that it is right.
    if (this.#keptMs === 0 || found.passwordVersion === undefined) return (await judge()).verdict;
    const key = this.#keyOf(found, password);
    const askedMs = this.#now();
    const rightMs = this.#right.get(key);
    const isKnown = (forMs: number): boolean =>
      rightMs !== undefined && askedMs - rightMs < forMs && !this.#changed.since(found, rightMs);
    if (isKnown(passwordsMs) && (rightMs ?? 0) > this.#doubtfulMs) {
      answered('cache');
      return 'right';
    }
    try {
      const { verdict, found: judged } = await judge();
      // It may be another entry, or another version of it: the password is right for that one.
      if (verdict === 'right') this.#right.set(this.#keyOf(judged, password), askedMs, this.#keptMs);
      else this.#right.delete(key);
      return verdict;
    } catch (error) {
      if (!(error instanceof NobodyAnswered) || !isKnown(passwordsWhileDownMs)) throw error;
      answered('stale');
      return 'right';
    }
  }

  #keyOf({ entry, passwordVersion }: Found, password: Secret): string {
    return this.#hash.of(entry, passwordVersion ?? '', password.octets).toString('latin1');
  }
}
