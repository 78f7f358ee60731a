import type { DirectoryChange, FollowObserver } from './directory-changes.ts';
import type { Reason } from './failure.ts';
import type { Secret } from './secret.ts';

/** A login name as it is looked up: normalised, and split at its last `@`. */
export interface LoginName {
  readonly full: string;
  readonly localPart: string;
  readonly domain: string | undefined;
}

/** Tells `homing explain` what a step did. */
export type Trace = (step: string, detail: string) => void;

/**
 * Stands before each question that a guesser of passwords needs answered; one for each login.
 */
export interface LoginGuard {
  /**
   * Is told each name that the login goes by, before anything is looked up or verified for it: the login name, then
   * the account's. @throws {LoginFailure} `throttled`.
   */
  admit(name: string): void | Promise<void>;
  /**
   * Is asked before something is judged that does not depend on a user's name: a token.
   * @param name that the client says it has, which may change the answer; `undefined` where it says none.
   * @throws {LoginFailure} `throttled`.
   */
  admitAddress(name: string | undefined): void | Promise<void>;
  /**
   * Is told that an exchange asks the directory before it comes to a proof, which it may never do; absent where no
   * exchange does. @throws {LoginFailure} `throttled`.
   */
  beginExchange?(): Promise<void>;
  /**
   * Whether this very password was found wrong for the entry a moment ago, so that it need not be tried again.
   * @param version changes with the entry's password; empty where that doesn't show.
   */
  knownWrong(entry: string, version: string, password: Secret): boolean;
  /** Is told by a directory that the login, if it fails, should be answered no earlier than after these milliseconds. */
  answerLater?(ms: number): void;
}

/** The client of a login, for directories that judge by it too. */
export interface LoginClient {
  /** IP address, as a balancer says it where there is one. */
  readonly ip: string;
  /** Counts the logins of the connection, from 1. */
  readonly attempt: number;
  /** `undefined` in clear text. */
  readonly tls: { readonly version: string; readonly cipher: string } | undefined;
}

/** What a directory may need to know about a login besides its name. */
export interface DirectoryContext {
  /** The service asked for, in lower case, as `imap`. */
  readonly service: string;
  readonly trace?: Trace;
  /** Left out where nobody is logging in. */
  readonly client?: LoginClient;
  readonly guard?: LoginGuard;
}

/** What the authenticator knows about a login besides its proof. */
export interface LoginContext extends DirectoryContext {
  /** Domain of names without one, where the listener has one of its own. */
  readonly defaultDomain?: string | undefined;
}

/** Why an existing account may not log in now, though its password is right. */
export interface Bar {
  readonly reason: Extract<Reason, 'disabled' | 'serviceForbidden' | 'held' | 'locked'>;
  /** Which attribute says so, for an operator. */
  readonly detail: string;
}

/** What the directory says of a user. */
export interface Account {
  /** The canonical name, from the entry: it goes to the node, never the typed form. */
  readonly name: string;
  /** Distinguished name of the entry. */
  readonly entry: string;
  /** What the entry keeps when it is renamed: entryUUID. */
  readonly id?: string;
  /** Names of the home nodes, best first; empty if the entry names none. */
  readonly homes: readonly string[];
  /** Attributes that may name them. */
  readonly homeAttributes?: readonly string[];
  /** The port that the homes must have for this service; any, if it is left out. */
  readonly homePort?: number;
  /** What the node is given as the user's password, where it takes that (`trust: replay`), instead of his own. */
  readonly nodePassword?: Secret;
  /** What the node must be told, by its forward name: `home`, `uid`, `gid`, `quota`. */
  readonly forwarded: ReadonlyMap<string, string>;
  /** Texts by forward name that could not be filled, as the account name has no domain. */
  readonly withoutDomain?: ReadonlyMap<string, string>;
  readonly bar: Bar | undefined;
  /** For whom else it may act, as its entry says: account names, domains, or `*`. */
  readonly mayActFor?: readonly string[];
  /** As of `Found`; left out where it is not known. */
  readonly passwordVersion?: string;
}

/** What an entry is found by again. */
export interface EntryNames {
  /** Its distinguished name. */
  readonly entry: string;
  /** As of `Account`. */
  readonly id?: string | undefined;
}

/** What became of a password. */
export type PasswordVerdict =
  | 'right'
  /** It was not looked at: the node is to judge it, and no other proof may be given for this user. */
  | 'leftToNode'
  | Extract<Reason, 'wrongPassword' | 'locked' | 'expired' | 'mustChange' | 'disabled'>;

/** An entry that was found for a login name, before anything is known of the password. */
export interface Found {
  /** Its distinguished name. */
  readonly entry: string;
  /** As of `Account`. */
  readonly id?: string | undefined;
  /** The account's name, as it may be logged; `undefined` where the entry has none. */
  readonly name: string | undefined;
  /**
   * Changes with the entry's password; empty where that doesn't show. `undefined` where the entry says nothing of the
   * password, so that none may be remembered as wrong.
   */
  readonly passwordVersion: string | undefined;
  /** Whether a password is compared with what was found, so that the verdict is as old as that. */
  readonly holdsPassword?: boolean;
  /** @throws {LoginFailure} `directoryDown` when it could not be told, `directoryFault` when the data is at fault. */
  verify(password: Secret, signal: AbortSignal): Promise<PasswordVerdict>;
  /** Reads the account. @throws {LoginFailure} `directoryFault`. */
  account(): Account;
}

/** What a directory stores to verify a user by, for mechanisms that never see the password. */
export interface StoredCredentials {
  readonly account: Account;
  /** Values of the password attribute, as `{SCRAM-SHA-256}…`. */
  readonly values: readonly string[];
  /** Whether a value may be the password itself. */
  readonly allowCleartext: boolean;
}

/** As `Directory.stored`. */
export type StoredLookup = (
  login: LoginName,
  context: DirectoryContext,
  signal: AbortSignal,
) => Promise<StoredCredentials | undefined>;

/** Told once when a server can be used at first or again, and once when it can't. */
export type ServerObserver = (server: string, up: boolean, detail: string | undefined) => void;

/**
 * Where accounts are looked up and passwords are verified: LDAP, a file that stands in for it, or a web service. It
 * judges what it is asked; whether it may be asked at all is the authenticator's matter.
 */
export interface Directory extends AsyncDisposable {
  /**
   * Finds the entry whose password is to be verified; `undefined` when there is none.
   * @throws {LoginFailure} `directoryDown` when it could not be told, `directoryFault` when the data is at fault.
   */
  find(login: LoginName, context: DirectoryContext, signal: AbortSignal): Promise<Found | undefined>;
  /** Finds the account of who needs no password; `undefined` when there is none. @throws {LoginFailure} as above. */
  lookup(login: LoginName, context: DirectoryContext, signal: AbortSignal): Promise<Account | undefined>;
  /**
   * Finds the account with its stored password; `undefined` when there is none. Absent where the directory may not
   * be asked for passwords. @throws {LoginFailure} as above.
   */
  readonly stored?: StoredLookup;
  /**
   * Tells of changes until the signal is aborted; it goes on by itself after whatever fails, and then tells that changes
   * may have been missed. Absent where it is not to be followed.
   */
  follow?(signal: AbortSignal, observe: FollowObserver): AsyncIterable<DirectoryChange>;
  /**
   * Reads an account again by its distinguished name, or its id where it was renamed; `undefined` when it is gone, or no
   * account any more. @throws {LoginFailure} as above, also where the directory seems to have lost more than that.
   */
  reread?(known: EntryNames, context: DirectoryContext, signal: AbortSignal): Promise<Account | undefined>;
  /** Says why no login could be answered now; `undefined` when one could. */
  whyNotReady(signal: AbortSignal): Promise<string | undefined>;
}
