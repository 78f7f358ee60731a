import type { AdmittedAccount } from '../auth/authentication.ts';
import type { Account, Directory } from '../auth/directory.ts';
import type { WayHome } from './home.ts';
import type { QuietEnds } from './quiet-ends.ts';
import type { ProxyEnd, Relay } from './relay.ts';

/** Whose session begins, and how. */
export interface SessionOwner extends AdmittedAccount {
  readonly service: string;
  /** Of the client. */
  readonly ip: string;
}

/** What all sessions are entered in. */
export interface SessionRegister {
  readonly quietEnds: QuietEnds;
  /** Has the session change what it is found by. */
  rename(session: UserSession, change: () => void): void;
  leave(session: UserSession): void;
}

/** A user's session, from the moment when he may log in to its end. Holds no more than it needs: there are many. */
export class UserSession implements Disposable {
  readonly name: string;
  readonly directory: Directory | undefined;
  readonly service: string;
  readonly ip: string;
  readonly #register: SessionRegister;
  readonly #isActedFor: boolean;
  #entry: string;
  #id: string | undefined;
  #homes: readonly string[];
  #passwordVersion: string | undefined;
  #node: string | undefined;
  #relay: Relay | undefined;
  #early: { readonly how: ProxyEnd; readonly withinMs: number } | undefined;
  #isReferred = false;
  #isOver = false;

  constructor({ account, directory, delegate, service, ip }: SessionOwner, register: SessionRegister) {
    this.name = account.name;
    this.directory = directory;
    this.service = service;
    this.ip = ip;
    // The account's password is none of the session's then.
    this.#isActedFor = delegate !== undefined;
    this.#register = register;
    this.#entry = account.entry;
    this.#id = account.id;
    this.#homes = account.homes;
    this.#passwordVersion = this.#isActedFor ? undefined : account.passwordVersion;
  }

  /** Distinguished name of the account. */
  get entry(): string {
    return this.#entry;
  }

  /** As of `Account`. */
  get id(): string | undefined {
    return this.#id;
  }

  /** As of `Account`, when the session began or when its account changed last. */
  get homes(): readonly string[] {
    return this.#homes;
  }

  /** As of `Account`; `undefined` where the session does not depend on it. */
  get passwordVersion(): string | undefined {
    return this.#passwordVersion;
  }

  /** The node's name; `undefined` while the login is under way. */
  get node(): string | undefined {
    return this.#node;
  }

  /** Whether a node sent the user there: he comes there again wherever his login goes first. */
  get isReferred(): boolean {
    return this.#isReferred;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The login succeeded. If it was to end meanwhile, it does so now. */
  relayed(relay: Relay, node: string, way: WayHome = 'planned'): void {
    this.#relay = relay;
    this.#isReferred = way === 'referred';
    this.#register.rename(this, () => {
      this.#node = node;
    });
    if (this.#early !== undefined) this.endQuietly(this.#early.how, this.#early.withinMs);
  }

  /** What the directory says of the account now. */
  learn({ entry, id, homes, passwordVersion }: Account): void {
    if (entry !== this.#entry || (id !== undefined && id !== this.#id)) {
      this.#register.rename(this, () => {
        this.#entry = entry;
        this.#id = id ?? this.#id;
      });
    }
    this.#homes = homes;
    if (!this.#isActedFor) this.#passwordVersion = passwordVersion ?? this.#passwordVersion;
  }

  /** Ends it at once, or as soon as it is relayed. */
  end(how: ProxyEnd): void {
    this.endQuietly(how, 0);
  }

  /** Ends it when it is quiet, at the latest after so many milliseconds from now or from when it is relayed. */
  endQuietly(how: ProxyEnd, withinMs: number): void {
    if (this.#relay !== undefined) this.#register.quietEnds.add(this.#relay, how, withinMs);
    else if (this.#early === undefined || withinMs < this.#early.withinMs) this.#early = { how, withinMs };
  }

  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#relay !== undefined) this.#register.quietEnds.forget(this.#relay);
    this.#register.leave(this);
  }
}
