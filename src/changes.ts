/** What becomes of users' sessions when the directory says something else of them. */
import type { Account, Directory } from '../auth/directory.ts';
import type { DirectoryChange, EntryChanged } from '../auth/directory-changes.ts';
import { LoginFailure } from '../auth/failure.ts';
import { Delegation } from './delegation.ts';
import type { Recheck } from './recheck.ts';
import type { ProxyEnd } from './relay.ts';
import { type PlaceTerms, servesElsewhere } from './routing/place.ts';
import type { SessionEndSettings } from './settings.ts';
import type { UserSession } from './user-session.ts';
import type { UserSessions } from './user-sessions.ts';

/** A login is told of so many changes that came while it was under way; of more it is looked up again. */
const MAX_RECENT = 500;

export interface ChangesTerms extends PlaceTerms {
  readonly sessions: UserSessions;
  readonly settings: SessionEndSettings;
  /** Looks accounts up again when changes may have been missed. */
  readonly recheck: Pick<Recheck<UserSession | Delegation>, 'add'>;
}

interface Recent {
  readonly change: DirectoryChange;
  readonly directory: Directory;
}

/**
 * Follows the directories for the sessions that go on. Only what really changed acts: servers tell of each failed bind
 * too.
 */
export class Changes {
  readonly #terms: ChangesTerms;
  readonly #recent: Recent[] = [];
  /** How many came before the recent ones. */
  #forgotten = 0;

  constructor(terms: ChangesTerms) {
    this.#terms = terms;
  }

  /** How many changes there were: to be noted before an account is looked up, for `catchUp`. */
  get count(): number {
    return this.#forgotten + this.#recent.length;
  }

  /** Subscribes to the directories. */
  readonly take = (change: DirectoryChange, directory: Directory): void => {
    this.#recent.push({ change, directory });
    if (this.#recent.length > MAX_RECENT) {
      this.#recent.shift();
      this.#forgotten += 1;
    }
    const { sessions } = this.#terms;
    const subjects = change.kind === 'doubtful' ? sessions.subjects : sessions.concernedBy(change);
    for (const subject of subjects) {
      if (subject.directory === directory) this.#apply(change, subject);
    }
  };

  /** Applies what changed between an account's lookup and its session's beginning. @param count noted before. */
  catchUp(session: UserSession, count: number): void {
    this.#catchUpWith(session, count);
    const delegation = this.#terms.sessions.delegationOf(session);
    if (delegation !== undefined) this.#catchUpWith(delegation, count);
  }

  /** Compares what a session depends on with what its account is now; `undefined` where there is none any more. */
  judge(subject: UserSession | Delegation, account: Account | undefined): void {
    const session = subject instanceof Delegation ? subject.session : subject;
    if (account === undefined) {
      if (this.#terms.settings.disabled) session.end('removed');
    } else if (subject instanceof Delegation) {
      const how = this.#whyNotActing(subject, account);
      if (how !== undefined) session.end(how);
    } else {
      this.#judgeOwn(session, account);
    }
  }

  #catchUpWith(subject: UserSession | Delegation, count: number): void {
    if (count < this.#forgotten) {
      this.#terms.recheck.add(subject);
      return;
    }
    const missed = this.#recent
      .slice(count - this.#forgotten)
      .filter(({ change, directory }) => directory === subject.directory && mayConcern(change, subject));
    const last = missed.at(-1);
    if (last !== undefined) this.#apply(last.change, subject);
  }

  #judgeOwn(session: UserSession, account: Account): void {
    const how = this.#whyEnded(session, account);
    session.learn(account);
    if (how === undefined) return;
    // A mailbox that is being moved may be written to until then; who is shut out is so at once.
    if (how === 'moved' || how === 'held') session.endQuietly(how, this.#terms.settings.movedWithinMs);
    else session.end(how);
  }

  #apply(change: DirectoryChange, subject: UserSession | Delegation): void {
    if (change.kind === 'doubtful') {
      this.#terms.recheck.add(subject);
      return;
    }
    if (change.kind === 'removed') {
      this.judge(subject, undefined);
      return;
    }
    const account = readAccount(change, subject.service);
    if (account !== undefined) this.judge(subject, account);
  }

  /** A delegate whose own mailbox is being moved may act for others all the same. */
  #whyNotActing(delegation: Delegation, account: Account): ProxyEnd | undefined {
    const { settings } = this.#terms;
    const barred = account.bar?.reason;
    const isShutOut = barred !== undefined && barred !== 'locked' && barred !== 'held';
    if (settings.disabled && (isShutOut || !delegation.mayAct(account))) return 'disabled';
    return settings.passwordChanged && delegation.hasNewPassword(account) ? 'passwordChanged' : undefined;
  }

  #whyEnded(session: UserSession, account: Account): ProxyEnd | undefined {
    const { settings } = this.#terms;
    const barred = account.bar?.reason;
    if (barred === 'held') return 'held';
    // Who guesses passwords can have an account locked: that must not end its user's sessions.
    if (settings.disabled && barred !== undefined && barred !== 'locked') return 'disabled';
    if (account.name !== session.name) return 'moved';
    const isSameHome = account.homes.join('\0') === session.homes.join('\0');
    if (!isSameHome && servesElsewhere(session, account.homes, this.#terms)) return 'moved';
    const { passwordVersion = account.passwordVersion } = session;
    const isSamePassword = passwordVersion === (account.passwordVersion ?? passwordVersion);
    return settings.passwordChanged && !isSamePassword ? 'passwordChanged' : undefined;
  }
}

function mayConcern(change: DirectoryChange, { entry, id }: UserSession | Delegation): boolean {
  return change.kind === 'doubtful' || change.entry === entry || (id !== undefined && change.id === id);
}

/** @returns `undefined` where the entry is at fault: new logins fail by it, and sessions go on. */
function readAccount(change: EntryChanged, service: string): Account | undefined {
  try {
    return change.read({ service });
  } catch (error) {
    if (error instanceof LoginFailure) return undefined;
    throw error;
  }
}
