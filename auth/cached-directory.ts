/** Remembers what a directory said, so that it need not be asked each time, nor be there at all for a while. */

import type {
  Account,
  Directory,
  DirectoryContext,
  Found,
  LoginName,
  PasswordVerdict,
  StoredLookup,
} from './directory.ts';
import type { DirectoryChange } from './directory-changes.ts';
import { LoginFailure } from './failure.ts';
import { KeyedHash } from './keyed-hash.ts';
import { Recent } from './recent.ts';
import type { Secret } from './secret.ts';

/** For how long what is remembered. Milliseconds; 0 is not at all. */
export interface CacheTerms {
  /** Entries that were found. */
  readonly routesMs: number;
  /** Names for which there was none. */
  readonly negativeMs: number;
  /** Entries, while no server answers. */
  readonly staleMs: number;
  /** Right passwords. */
  readonly passwordsMs: number;
  /** Right passwords, while no server answers. */
  readonly passwordsWhileDownMs: number;
  /** Entries, names and passwords, each. */
  readonly max: number;
}

/** By what a question was answered; `stale` while no server could be asked. */
export type AnsweredBy = 'server' | 'cache' | 'stale';

interface Remembered {
  readonly found: Found;
  /** When it was asked for: a change that comes while the answer is on its way makes it old. */
  readonly askedMs: number;
}

/**
 * A directory whose answers are remembered. What was found for a name is good for one service only, as others may be
 * forbidden. Neither stored passwords nor wrong ones are remembered: the latter are the throttle's to know.
 */
export class CachedDirectory implements Directory {
  readonly stored?: StoredLookup;
  readonly follow?: NonNullable<Directory['follow']>;
  readonly reread?: NonNullable<Directory['reread']>;
  readonly #inner: Directory;
  readonly #terms: CacheTerms;
  readonly #now: () => number;
  readonly #onAnswer: (by: AnsweredBy) => void;
  readonly #hash = new KeyedHash();
  readonly #found: Recent<Remembered>;
  readonly #none: Recent<number>;
  /** When each password was found right, by a hash of all that makes it so. */
  readonly #right: Recent<number>;
  /** When each entry changed, by name and id: what was asked before is old. */
  readonly #changed: Recent<number>;
  readonly #longestMs: number;
  /**
   * When anything changed, and when everything may have: nothing older is used while a server can be asked. Where none
   * can, it is still the best that is known.
   */
  #lastChangeMs = Number.NEGATIVE_INFINITY;
  #doubtfulMs = Number.NEGATIVE_INFINITY;
  #allChangedMs = Number.NEGATIVE_INFINITY;

  /** @param now a monotonic clock in milliseconds. */
  constructor(
    inner: Directory,
    terms: CacheTerms,
    onAnswer: (by: AnsweredBy) => void,
    now: () => number = () => performance.now(),
  ) {
    const { routesMs, staleMs, passwordsMs, passwordsWhileDownMs, max } = terms;
    this.#inner = inner;
    this.#terms = terms;
    this.#onAnswer = onAnswer;
    this.#now = now;
    this.#longestMs = Math.max(routesMs, staleMs, passwordsMs, passwordsWhileDownMs);
    this.#found = new Recent(max, now);
    this.#none = new Recent(max, now);
    this.#right = new Recent(max, now);
    this.#changed = new Recent(max, now);
    const { stored, follow, reread } = inner;
    if (stored !== undefined) this.stored = stored.bind(inner);
    if (follow !== undefined) this.follow = follow.bind(inner);
    if (reread !== undefined) this.reread = reread.bind(inner);
  }

  async find(login: LoginName, context: DirectoryContext, signal: AbortSignal): Promise<Found | undefined> {
    const key = `${context.service} ${login.full}`;
    const remembered = this.#remembered(key);
    const askedMs = this.#now();
    if (remembered !== undefined && this.#isFresh(remembered, askedMs)) {
      this.#onAnswer('cache');
      return this.#watched(remembered.found);
    }
    if ((this.#none.get(key) ?? Number.NEGATIVE_INFINITY) > this.#lastChangeMs) {
      this.#onAnswer('cache');
      return undefined;
    }
    try {
      const found = await this.#inner.find(login, context, signal);
      this.#onAnswer('server');
      this.#remember(key, found, askedMs);
      return found && this.#watched(found);
    } catch (error) {
      if (!isDown(error) || remembered === undefined || askedMs - remembered.askedMs >= this.#terms.staleMs) {
        throw error;
      }
      this.#onAnswer('stale');
      return this.#watched(remembered.found);
    }
  }

  async lookup(
    login: LoginName,
    context: DirectoryContext,
    signal: AbortSignal,
  ): Promise<Account | undefined> {
    return (await this.find(login, context, signal))?.account();
  }

  whyNotReady(signal: AbortSignal): Promise<string | undefined> {
    return this.#inner.whyNotReady(signal);
  }

  /** Takes note of a change: what was asked before is forgotten. */
  note(change: DirectoryChange): void {
    const nowMs = this.#now();
    this.#lastChangeMs = nowMs;
    if (change.kind === 'doubtful') {
      this.#doubtfulMs = nowMs;
      return;
    }
    // More changes than can be told apart are as good as all.
    if (this.#changed.size + 2 > this.#terms.max) this.#allChangedMs = nowMs;
    for (const name of [change.entry, change.id]) {
      if (name !== undefined) this.#changed.set(name, nowMs, this.#longestMs);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  /** What was found, unless it has changed since. */
  #remembered(key: string): Remembered | undefined {
    const remembered = this.#found.get(key);
    return remembered === undefined || this.#hasChanged(remembered.found, remembered.askedMs)
      ? undefined
      : remembered;
  }

  #isFresh({ askedMs }: Remembered, nowMs: number): boolean {
    return nowMs - askedMs < this.#terms.routesMs && askedMs > this.#doubtfulMs;
  }

  #hasChanged({ entry, id }: Found, askedMs: number): boolean {
    if (askedMs <= this.#allChangedMs) return true;
    return [entry, id].some((name) => name !== undefined && (this.#changed.get(name) ?? 0) >= askedMs);
  }

  #remember(key: string, found: Found | undefined, askedMs: number): void {
    const { routesMs, staleMs, negativeMs } = this.#terms;
    if (found !== undefined) {
      this.#found.set(key, { found, askedMs }, Math.max(routesMs, staleMs));
      this.#none.delete(key);
    } else {
      this.#found.delete(key);
      if (negativeMs > 0) this.#none.set(key, askedMs, negativeMs);
    }
  }

  /** The same entry, whose right passwords are remembered. */
  #watched(found: Found): Found {
    return { ...found, verify: (password, signal) => this.#verify(found, password, signal) };
  }

  async #verify(found: Found, password: Secret, signal: AbortSignal): Promise<PasswordVerdict> {
    const { passwordsMs, passwordsWhileDownMs } = this.#terms;
    const keptMs = Math.max(passwordsMs, passwordsWhileDownMs);
    // Where nothing of the password is known of the entry, nobody but the node may say that it is right.
    if (keptMs === 0 || found.passwordVersion === undefined) return await found.verify(password, signal);
    const key = this.#hash.of(found.entry, found.passwordVersion, password.octets).toString('latin1');
    const askedMs = this.#now();
    const rightMs = this.#right.get(key);
    const isKnown = (forMs: number): boolean =>
      rightMs !== undefined && askedMs - rightMs < forMs && !this.#hasChanged(found, rightMs);
    if (isKnown(passwordsMs) && (rightMs ?? 0) > this.#doubtfulMs) {
      this.#onAnswer('cache');
      return 'right';
    }
    try {
      const verdict = await found.verify(password, signal);
      if (verdict === 'right') this.#right.set(key, askedMs, keptMs);
      else this.#right.delete(key);
      return verdict;
    } catch (error) {
      if (!isDown(error) || !isKnown(passwordsWhileDownMs)) throw error;
      this.#onAnswer('stale');
      return 'right';
    }
  }
}

function isDown(error: unknown): boolean {
  return error instanceof LoginFailure && error.reason === 'directoryDown';
}
