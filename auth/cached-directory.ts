/** Remembers what a directory said, so that it need not be asked each time, nor be there at all for a while. */
import { ChangeTimes } from './change-times.ts';
import { isGivenUp } from './deadline.ts';
import type { Account, Directory, DirectoryContext, Found, LoginName, StoredLookup } from './directory.ts';
import type { DirectoryChange } from './directory-changes.ts';
import { LoginFailure, NobodyAnswered } from './failure.ts';
import { Recent } from './recent.ts';
import { type Judgement, type PasswordTerms, RightPasswords } from './right-passwords.ts';
import type { Secret } from './secret.ts';

/** For how long what is remembered. Milliseconds; 0 is not at all. */
export interface CacheTerms extends PasswordTerms {
  /** Entries that were found. */
  readonly routesMs: number;
  /** Names for which there was none. */
  readonly negativeMs: number;
  /** Entries, while no server answers. */
  readonly staleMs: number;
  /** Entries, names and passwords, each. */
  readonly max: number;
}

/** What is asked so soon after a change may be asked of a server that does not have it yet. */
const LAG_MS = 10_000;

/** By what a question was answered; `stale` while no server could be asked. */
export type AnsweredBy = 'server' | 'cache' | 'stale';

interface Remembered {
  readonly found: Found;
  /** When it was asked for: a change that comes while the answer is on its way makes it old. */
  readonly askedMs: number;
}

const LEADS_ELSEWHERE = 'the login name has come to be of another account: the next try asks for that one';

/** A question to the directory. */
interface Question {
  readonly login: LoginName;
  readonly context: DirectoryContext;
  /** What its answer is remembered by. */
  readonly key: string;
}

/**
 * A directory whose answers are remembered. What was found for a name is good for one service only, as others may be
 * forbidden. Wrong passwords are not remembered: they are the throttle's to know.
 */
export class CachedDirectory implements Directory {
  readonly stored?: StoredLookup;
  readonly follow?: NonNullable<Directory['follow']>;
  readonly reread?: NonNullable<Directory['reread']>;
  readonly #inner: Directory;
  readonly #terms: CacheTerms;
  readonly #now: () => number;
  readonly #onAnswer: (by: AnsweredBy) => void;
  readonly #found: Recent<Remembered>;
  readonly #none: Recent<number>;
  readonly #passwords: RightPasswords;
  readonly #changed: ChangeTimes;
  /**
   * When anything changed, and when everything may have: nothing older is used while a server can be asked. Where none
   * can, it is still the best that is known.
   */
  #lastChangeMs = Number.NEGATIVE_INFINITY;
  #doubtfulMs = Number.NEGATIVE_INFINITY;

  /** @param now a monotonic clock in milliseconds. */
  constructor(
    inner: Directory,
    terms: CacheTerms,
    onAnswer: (by: AnsweredBy) => void,
    now: () => number = () => performance.now(),
  ) {
    const { routesMs, staleMs, max } = terms;
    this.#inner = inner;
    this.#terms = terms;
    this.#onAnswer = onAnswer;
    this.#now = now;
    this.#found = new Recent(max, now);
    this.#none = new Recent(max, now);
    this.#passwords = new RightPasswords(terms, now);
    this.#changed = new ChangeTimes(max, Math.max(routesMs, staleMs), now);
    const { stored, follow, reread } = inner;
    if (stored !== undefined) this.stored = stored.bind(inner);
    if (follow !== undefined) this.follow = (signal, tell) => this.#listen(follow.call(inner, signal, tell));
    if (reread !== undefined) this.reread = reread.bind(inner);
  }

  async find(login: LoginName, context: DirectoryContext, signal: AbortSignal): Promise<Found | undefined> {
    const key = `${context.service} ${login.full}`;
    // What is remembered must not hold what is of one login: its client, and its guard, which has the password.
    const { service, trace } = context;
    const question = { login, key, context: { service, ...(trace !== undefined && { trace }) } };
    const remembered = this.#remembered(key);
    const askedMs = this.#now();
    if (remembered !== undefined && this.#isFresh(remembered, askedMs)) {
      this.#onAnswer('cache');
      return this.#fromCache(remembered.found, question);
    }
    if ((this.#none.get(key) ?? Number.NEGATIVE_INFINITY) > this.#lastChangeMs) {
      this.#onAnswer('cache');
      return undefined;
    }
    try {
      const found = await this.#ask(question, signal);
      return found && this.#watched(found, (password, limit) => judgeBy(found, password, limit));
    } catch (error) {
      const isUseful = remembered !== undefined && askedMs - remembered.askedMs < this.#terms.staleMs;
      if (!(error instanceof NobodyAnswered) || !isUseful || isGivenUp(signal)) throw error;
      this.#onAnswer('stale');
      return this.#stale(remembered.found, error);
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

  /** Takes note of a change that matters: what was asked before is forgotten. */
  note(change: DirectoryChange): void {
    this.#lastChangeMs = this.#now();
    if (change.kind !== 'doubtful') {
      this.#changed.note(change);
      return;
    }
    this.#doubtfulMs = this.#lastChangeMs;
    this.#passwords.doubt();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  /** Of passwords, each change is news: a lock, or a new password, may show in nothing that is read of an entry. */
  async *#listen(changes: AsyncIterable<DirectoryChange>): AsyncGenerator<DirectoryChange> {
    for await (const change of changes) {
      if (change.kind !== 'doubtful') this.#passwords.changed(change);
      yield change;
    }
  }

  /** Asks the directory, and remembers what it says. */
  async #ask({ login, key, context }: Question, signal: AbortSignal): Promise<Found | undefined> {
    const askedMs = this.#now();
    const found = await this.#inner.find(login, context, signal);
    this.#onAnswer('server');
    this.#remember(key, found, askedMs);
    return found;
  }

  /** What was found, unless it has changed since. */
  #remembered(key: string): Remembered | undefined {
    const remembered = this.#found.get(key);
    return remembered === undefined || this.#changed.since(remembered.found, remembered.askedMs)
      ? undefined
      : remembered;
  }

  #isFresh({ found, askedMs }: Remembered, nowMs: number): boolean {
    const settledMs = askedMs - LAG_MS;
    return (
      nowMs - askedMs < this.#terms.routesMs &&
      settledMs > this.#doubtfulMs &&
      !this.#changed.since(found, settledMs)
    );
  }

  #remember(key: string, found: Found | undefined, askedMs: number): void {
    const { routesMs, staleMs, negativeMs } = this.#terms;
    if (found !== undefined) {
      const keptMs = Math.max(routesMs, staleMs);
      if (keptMs > 0) this.#found.set(key, { found: withoutPassword(found), askedMs }, keptMs);
      this.#none.delete(key);
    } else {
      this.#found.delete(key);
      if (negativeMs > 0) this.#none.set(key, askedMs, negativeMs);
    }
  }

  /** The same entry, whose right passwords are remembered. */
  #watched(found: Found, judge: (password: Secret, signal: AbortSignal) => Promise<Judgement>): Found {
    return {
      ...found,
      verify: (password, signal) =>
        this.#passwords.verify(found, password, {
          judge: () => judge(password, signal),
          answered: this.#onAnswer,
        }),
    };
  }

  /**
   * What is remembered lets a password be right, and none be wrong: the entry may have another name now, or another
   * password, which only the directory knows.
   */
  #fromCache(found: Found, question: Question): Found {
    let current = found;
    const judge = async (password: Secret, signal: AbortSignal): Promise<Judgement> => {
      const verdict = found.holdsPassword === true ? undefined : await found.verify(password, signal);
      if (verdict === 'right' || verdict === 'leftToNode') return { verdict, found };
      const fresh = await this.#ask(question, signal);
      if (fresh === undefined) return { verdict: 'wrongPassword', found };
      // The throttle was asked for the one that was remembered, and answers for no other.
      if (fresh.name !== found.name) throw new LoginFailure('directoryDown', LEADS_ELSEWHERE);
      current = fresh;
      const isSame = fresh.entry === found.entry;
      return isSame && verdict !== undefined ? { verdict, found } : await judgeBy(fresh, password, signal);
    };
    return { ...this.#watched(found, judge), account: () => current.account() };
  }

  /** What stands in for a directory that can't be asked says where an account is at home, and not who has a right password. */
  #stale(found: Found, why: LoginFailure): Found {
    return this.#watched(found, async (password, signal) => {
      if (found.holdsPassword === true) throw why;
      return await judgeBy(found, password, signal);
    });
  }
}

async function judgeBy(found: Found, password: Secret, signal: AbortSignal): Promise<Judgement> {
  return { verdict: await found.verify(password, signal), found };
}

/** What is remembered of an entry holds no stored password. */
function withoutPassword(found: Found): Found {
  const { entry, id, name, passwordVersion, holdsPassword, account } = found;
  if (holdsPassword !== true) return found;
  return {
    entry,
    id,
    name,
    passwordVersion,
    holdsPassword,
    account,
    verify: () => Promise.reject(new Error('a stored password is not remembered')),
  };
}
