/** Accounts that an operator holds at this proxy, as while he moves a mailbox; the directory holds them at all proxies. */
import type { Account } from '../auth/directory.ts';
import type { Observer } from './events.ts';
import type { UserSessions } from './user-sessions.ts';

/** Operators move a few mailboxes at a time. */
const MAX_HELD = 1000;
/** The longest hold: one that is forgotten must not be for ever. */
export const MAX_HOLD_MS = 24 * 60 * 60 * 1000;

/** An account that is held. */
export interface OperatorHold {
  readonly account: string;
  readonly leftMs: number;
  /** As he says himself. */
  readonly operator: string;
}

/** Who holds or releases an account. */
export interface HoldingOperator {
  readonly name: string;
  readonly ip: string;
}

export interface OperatorHoldsTerms {
  readonly sessions: Pick<UserSessions, 'of'>;
  /** Finds the account of a login name, as a login would; `undefined` where there is none. @throws {LoginFailure} */
  readonly find: (typed: string, signal: AbortSignal) => Promise<Account | undefined>;
  /** Sessions of who is held end when they are quiet, at the latest after this. */
  readonly withinMs: number;
  readonly observe: Observer;
}

/** What came of a hold. */
export type HoldOutcome =
  | { readonly kind: 'held'; readonly account: string; readonly sessions: number }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'tooMany' };

/** Holds accounts by command. */
export class OperatorHolds {
  readonly #terms: OperatorHoldsTerms;
  readonly #held = new Map<string, { readonly untilMs: number; readonly operator: string }>();
  /** Is told of each account that is held no more. */
  onRelease: (account: string) => void = () => undefined;

  constructor(terms: OperatorHoldsTerms) {
    this.#terms = terms;
  }

  isHeld(account: string): boolean {
    const hold = this.#held.get(account);
    if (hold === undefined) return false;
    if (hold.untilMs > performance.now()) return true;
    this.#held.delete(account);
    return false;
  }

  list(): readonly OperatorHold[] {
    return [...this.#held].flatMap(([account, { untilMs, operator }]) =>
      this.isHeld(account) ? [{ account, leftMs: untilMs - performance.now(), operator }] : [],
    );
  }

  /**
   * Holds the account of a login name for so many milliseconds from now: its logins wait, and its sessions end when they
   * are quiet. @throws {LoginFailure} where the directory can't say whose name it is.
   */
  async hold(
    typed: string,
    forMs: number,
    operator: HoldingOperator,
    signal: AbortSignal,
  ): Promise<HoldOutcome> {
    const account = await this.#terms.find(typed, signal);
    if (account === undefined) return { kind: 'unknown' };
    const { name } = account;
    if (this.list().length >= MAX_HELD && !this.#held.has(name)) return { kind: 'tooMany' };
    this.#held.set(name, { untilMs: performance.now() + forMs, operator: operator.name });
    const sessions = this.#terms.sessions.of(name);
    for (const session of sessions) session.endQuietly('held', this.#terms.withinMs);
    this.#terms.observe({
      event: 'userHeld',
      user: name,
      forMs,
      sessions: sessions.length,
      operator: operator.name,
      from: operator.ip,
    });
    return { kind: 'held', account: name, sessions: sessions.length };
  }

  /** Lets go of an account, by its name or by a login name. @returns its name; `undefined` where it was not held. */
  async release(typed: string, operator: HoldingOperator, signal: AbortSignal): Promise<string | undefined> {
    const name = this.isHeld(typed) ? typed : (await this.#terms.find(typed, signal))?.name;
    if (name === undefined || !this.isHeld(name)) return undefined;
    this.#held.delete(name);
    this.#terms.observe({ event: 'userReleased', user: name, operator: operator.name, from: operator.ip });
    this.onRelease(name);
    return name;
  }
}
