import type { EntryChanged, EntryRemoved } from '../auth/directory-changes.ts';
import { LoginFailure } from '../auth/failure.ts';
import { Delegation } from './delegation.ts';
import { MultiMap } from './multi-map.ts';
import { QuietEnds } from './quiet-ends.ts';
import { addressKeys } from './throttle/address.ts';
import { type SessionOwner, UserSession } from './user-session.ts';

export interface UserSessionLimits {
  /** `undefined` for no limit. */
  readonly perUser: number | undefined;
  /** The most from one address; `undefined` for no limit. */
  readonly perUserAndAddress: number | undefined;
}

/** All users' sessions, and the logins of users who may log in: found by account, entry and node. */
export class UserSessions implements Iterable<UserSession> {
  readonly #limits: UserSessionLimits;
  readonly #all = new Set<UserSession>();
  readonly #byName = new MultiMap<UserSession>();
  readonly #byEntry = new MultiMap<UserSession | Delegation>();
  readonly #byId = new MultiMap<UserSession | Delegation>();
  readonly #delegations = new Map<UserSession, Delegation>();
  readonly #byNode = new MultiMap<UserSession>();
  readonly #register = {
    quietEnds: new QuietEnds(),
    rename: (session: UserSession, change: () => void): void => {
      this.#unlist(session);
      change();
      this.#list(session);
    },
    leave: (session: UserSession): void => {
      this.#unlist(session);
      this.#all.delete(session);
      const delegation = this.#delegations.get(session);
      if (delegation === undefined) return;
      this.#delegations.delete(session);
      this.#byEntry.delete(delegation.entry, delegation);
      if (delegation.id !== undefined) this.#byId.delete(delegation.id, delegation);
    },
  };

  constructor(limits: UserSessionLimits) {
    this.#limits = limits;
  }

  /**
   * Counts one more session of an account, until it is disposed of.
   * @throws {LoginFailure} `tooManySessions`.
   */
  enter(owner: SessionOwner): UserSession {
    this.#check(owner);
    const session = new UserSession(owner, this.#register);
    this.#all.add(session);
    this.#list(session);
    if (owner.delegate !== undefined) {
      const delegation = new Delegation(session, owner.delegate);
      this.#delegations.set(session, delegation);
      this.#byEntry.add(delegation.entry, delegation);
      if (delegation.id !== undefined) this.#byId.add(delegation.id, delegation);
    }
    return session;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Who acts for a session's account; `undefined` for its own user. */
  delegationOf(session: UserSession): Delegation | undefined {
    return this.#delegations.get(session);
  }

  /** All that depends on an account. */
  get subjects(): readonly (UserSession | Delegation)[] {
    return [...this.#all, ...this.#delegations.values()];
  }

  [Symbol.iterator](): Iterator<UserSession> {
    return this.#all.values();
  }

  /** What depends on the account that a change of a directory is of, by whichever name it was known. */
  concernedBy({ entry, id }: EntryChanged | EntryRemoved): readonly (UserSession | Delegation)[] {
    const byEntry = entry === undefined ? [] : this.#byEntry.get(entry);
    const byId = id === undefined ? [] : this.#byId.get(id);
    return [...new Set([...byEntry, ...byId])];
  }

  /** Those of the account of this name. */
  of(name: string): readonly UserSession[] {
    return this.#byName.get(name);
  }

  /** Those that this node serves. */
  on(node: string): readonly UserSession[] {
    return this.#byNode.get(node);
  }

  #check({ account, ip }: SessionOwner): void {
    const { perUser, perUserAndAddress } = this.#limits;
    const count = this.#byName.count(account.name);
    if (perUser !== undefined && count >= perUser) {
      throw new LoginFailure('tooManySessions', `the user has ${perUser} sessions already`);
    }
    if (perUserAndAddress === undefined || count < perUserAndAddress) return;
    const { address } = addressKeys(ip);
    const same = this.#byName.get(account.name).filter((one) => addressKeys(one.ip).address === address);
    if (same.length >= perUserAndAddress) {
      const detail = `the user has ${perUserAndAddress} sessions from this address already`;
      throw new LoginFailure('tooManySessions', detail);
    }
  }

  #list(session: UserSession): void {
    const { name, entry, id, node } = session;
    this.#byName.add(name, session);
    this.#byEntry.add(entry, session);
    if (id !== undefined) this.#byId.add(id, session);
    if (node !== undefined) this.#byNode.add(node, session);
  }

  #unlist(session: UserSession): void {
    const { name, entry, id, node } = session;
    this.#byName.delete(name, session);
    this.#byEntry.delete(entry, session);
    if (id !== undefined) this.#byId.delete(id, session);
    if (node !== undefined) this.#byNode.delete(node, session);
  }
}
