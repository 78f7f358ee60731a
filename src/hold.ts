import type { AdmittedAccount } from '../auth/authentication.ts';
import { Deadline } from '../auth/deadline.ts';
import type { Account, Directory } from '../auth/directory.ts';
import { concerns, type DirectoryChange } from '../auth/directory-changes.ts';
import { LoginFailure } from '../auth/failure.ts';
import type { OperatorHolds } from './operator-holds.ts';

/** Held accounts are looked at again so often where nobody tells of changes. */
const LOOK_MS = 1000;
/** The same where somebody does. */
const LOOK_WHEN_TOLD_MS = 10_000;
/** So many of one account may wait: one user must not take all places. */
const MAX_OF_ACCOUNT = 20;
/** Clients and the routers between give up sooner than a mailbox is moved. */
const TELL_MS = 15_000;

export interface HoldTerms {
  /** The longest wait; 0 for none. */
  readonly holdMs: number;
  /** The most that wait at the same time. */
  readonly max: number;
  /** Directory work in all for one look. */
  readonly directoryMs: number;
  /** Who is held though his entry does not say so; nobody if it is left out. */
  readonly byOperator?: OperatorHolds;
}

/** A login that is to wait. */
export interface HeldLogin {
  readonly service: string;
  /** Whether the account's own password let it in. */
  readonly byOwnPassword: boolean;
  /** Aborts when the client has left. */
  readonly abandoned: AbortSignal;
  /** Tells the client that it is still waited for. */
  readonly tell: () => void;
}

/** A login that waits; it may be woken while it looks, and then looks again. */
class Waiter {
  readonly held: AdmittedAccount;
  #isWoken = false;
  #wake: () => void = () => undefined;

  constructor(held: AdmittedAccount) {
    this.held = held;
  }

  wake(): void {
    this.#isWoken = true;
    this.#wake();
  }

  /** Ends early when it is woken, or was since the last pause, and when the signal is aborted. */
  async pause(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    const wake = (): void => resolve();
    this.#wake = wake;
    signal.addEventListener('abort', wake);
    if (signal.aborted || this.#isWoken) resolve();
    await promise;
    this.#isWoken = false;
    clearTimeout(timer);
    signal.removeEventListener('abort', wake);
  }
}

/** Has logins wait whose account is held, as while its mailbox is moved, until it may be used again. */
export class Hold {
  readonly #terms: HoldTerms;
  readonly #waiters = new Set<Waiter>();

  constructor(terms: HoldTerms) {
    this.#terms = terms;
    if (terms.byOperator === undefined) return;
    terms.byOperator.onRelease = (name) => {
      for (const waiter of this.#waiters) if (waiter.held.account.name === name) waiter.wake();
    };
  }

  /** Says why an account is held that its entry does not bar; `undefined` where it may log in. */
  why({ name }: Account): string | undefined {
    return this.#terms.byOperator?.isHeld(name) === true ? 'an operator holds it at this proxy' : undefined;
  }

  /** Subscribes to the directories. */
  readonly take = (change: DirectoryChange, directory: Directory): void => {
    for (const waiter of this.#waiters) {
      const { account, directory: own } = waiter.held;
      const isConcerned = change.kind === 'doubtful' || concerns(change, account);
      if (isConcerned && own === directory) waiter.wake();
    }
  };

  /**
   * Waits until the account may log in.
   * @returns what it is then.
   * @throws {LoginFailure} `held` when it takes too long or too many wait, `abandoned`, or what the entry says then.
   */
  async wait(held: AdmittedAccount, login: HeldLogin): Promise<Account> {
    const { holdMs, max } = this.#terms;
    const still = new LoginFailure('held', held.account.bar?.detail ?? this.why(held.account) ?? '');
    if (holdMs === 0 || held.directory?.reread === undefined) throw still;
    if (this.#waiters.size >= max || this.#countOf(held.account) >= MAX_OF_ACCOUNT) throw still;
    const waiter = new Waiter(held);
    using limit = new Deadline(holdMs, login.abandoned);
    const telling = setInterval(login.tell, TELL_MS);
    this.#waiters.add(waiter);
    try {
      for (;;) {
        await waiter.pause(held.directory.follow === undefined ? LOOK_MS : LOOK_WHEN_TOLD_MS, limit.signal);
        if (login.abandoned.aborted) throw new LoginFailure('abandoned', 'the client left while it was held');
        if (limit.signal.aborted) throw still;
        const account = await this.#look(held, login, limit.signal);
        if (account === 'gone') throw still;
        if (account !== 'held') return account;
      }
    } finally {
      clearInterval(telling);
      this.#waiters.delete(waiter);
    }
  }

  #countOf({ entry }: Account): number {
    return [...this.#waiters].filter(({ held }) => held.account.entry === entry).length;
  }

  /**
   * @returns `held` also while nobody can tell, and `gone` where it must be looked up anew: it may be renamed, and the
   * proof was right.
   */
  async #look(
    { account: before, directory }: AdmittedAccount,
    { service, byOwnPassword }: HeldLogin,
    signal: AbortSignal,
  ): Promise<Account | 'held' | 'gone'> {
    using deadline = new Deadline(this.#terms.directoryMs, signal);
    try {
      const now = await directory?.reread?.(before, { service }, deadline.signal);
      // What the proof was of, and the name that was found good, must be the same.
      if (now === undefined || now.name !== before.name) return 'gone';
      if (byOwnPassword && now.passwordVersion !== before.passwordVersion) {
        throw new LoginFailure('wrongPassword', 'the password was changed while the account was held');
      }
      if (now.bar === undefined) return this.why(now) === undefined ? now : 'held';
      if (now.bar.reason === 'held') return 'held';
      throw new LoginFailure(now.bar.reason, now.bar.detail);
    } catch (error) {
      if (error instanceof LoginFailure && error.reason === 'directoryDown') return 'held';
      throw error;
    }
  }
}
