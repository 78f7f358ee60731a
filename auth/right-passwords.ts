/** Remembers which passwords were right, where an operator wants that. */
import { ChangeTimes, type EntryNames } from './change-times.ts';
import type { Found, PasswordVerdict } from './directory.ts';
import { LoginFailure } from './failure.ts';
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
  changed(entry: EntryNames): void {
    this.#changed.note(entry);
  }

  /** Changes may have been missed: only while no server can be asked is anything remembered used. */
  doubt(): void {
    this.#doubtfulMs = this.#now();
  }

  /**
   * What a judge says of a password, or what he said lately.
   * @param answered is told where he was not needed, or could not be asked.
   * @throws {LoginFailure} his, where nothing is remembered that may stand for him.
   */
  async verify(
    found: Found,
    password: Secret,
    { judge, answered }: { judge: () => Promise<PasswordVerdict>; answered: (by: 'cache' | 'stale') => void },
  ): Promise<PasswordVerdict> {
    const { passwordsMs, passwordsWhileDownMs } = this.#terms;
    // Where nothing of the password is known of the entry, nobody but the node may say that it is right.
    if (this.#keptMs === 0 || found.passwordVersion === undefined) return await judge();
    const key = this.#hash.of(found.entry, found.passwordVersion, password.octets).toString('latin1');
    const askedMs = this.#now();
    const rightMs = this.#right.get(key);
    const isKnown = (forMs: number): boolean =>
      rightMs !== undefined && askedMs - rightMs < forMs && !this.#changed.since(found, rightMs);
    if (isKnown(passwordsMs) && (rightMs ?? 0) > this.#doubtfulMs) {
      answered('cache');
      return 'right';
    }
    try {
      const verdict = await judge();
      if (verdict === 'right') this.#right.set(key, askedMs, this.#keptMs);
      else this.#right.delete(key);
      return verdict;
    } catch (error) {
      if (!isDown(error) || !isKnown(passwordsWhileDownMs)) throw error;
      answered('stale');
      return 'right';
    }
  }
}

/** Whether no server could be asked. */
export function isDown(error: unknown): error is LoginFailure {
  return error instanceof LoginFailure && error.reason === 'directoryDown';
}
