import { type Delegate, mayActFor } from './delegates.ts';
import type { Account, Directory, LoginContext, LoginName, StoredCredentials, Verdict } from './directory.ts';
import { LoginFailure, type Reason } from './failure.ts';
import { KeyedHash } from './keyed-hash.ts';
import { isNameText, type NameOptions, readLoginName, whyNoLoginName } from './names.ts';
import { readPassword } from './passwords/typed-password.ts';
import type { MechanismProof, PasswordProof, Proof } from './sasl.ts';

/** A directory and the domains whose users it has. */
export interface Realm {
  /** In any case; `undefined` takes the names that no other realm does. */
  readonly domains: readonly string[] | undefined;
  readonly directory: Directory;
}

export interface AuthenticatorOptions {
  /** Asked by domain, in order; the first without domains is for all other names. */
  readonly realms: readonly Realm[];
  readonly names: NameOptions;
  /** Who may act for others; nobody, if it's left out. */
  readonly delegates?: readonly Delegate[];
}

/** What became of a proof. */
export type Authentication =
  | {
      readonly kind: 'admitted';
      readonly account: Account;
      /** The password was not looked at: only a node that judges it by itself may be given this login. */
      readonly unverified: boolean;
      /** Name of the account that proved itself, where it acts for this one. */
      readonly actedBy?: string;
    }
  | {
      readonly kind: 'refused';
      readonly reason: Reason;
      /** The account's name, where the directory knows one. */
      readonly known?: string;
      /** As above, where it may act for the known account. */
      readonly actedBy?: string;
      /** What an operator needs to know. */
      readonly detail?: string;
    };

type Refused = Extract<Authentication, { kind: 'refused' }>;

/** What is stored of whoever a name stands for. */
export type Credentials = {
  /** The normalised login name: the same for all spellings of one name. */
  readonly login: string;
} & (
  | ({ readonly kind: 'found' } & StoredCredentials)
  | {
      readonly kind: 'none';
      readonly reason: Extract<Reason, 'unknownUser' | 'badName' | 'noStoredKey'>;
      /** What an operator needs to know. */
      readonly detail?: string;
    }
);

/** Decides who is let in. Asks the directories, and never a node. */
export interface Authenticator {
  /** @throws {LoginFailure} `directoryDown` or `directoryFault` when it could not be told. */
  authenticate(proof: Proof, context: LoginContext, signal: AbortSignal): Promise<Authentication>;
  /**
   * Finds an account without a password, for operators; `undefined` when there is none.
   * @throws {LoginFailure} as above, and `badName`, which says what is wrong with the name.
   */
  lookup(name: Buffer, context: LoginContext, signal: AbortSignal): Promise<Account | undefined>;
  /**
   * Finds an account with its stored password, for mechanisms that never see the password.
   * @throws {LoginFailure} as `authenticate`, and `throttled`.
   */
  credentials(name: Buffer, context: LoginContext, signal: AbortSignal): Promise<Credentials>;
  /** Asks the guard before something else than the name's password is judged. @throws {LoginFailure} `throttled`. */
  admit(name: Buffer, context: LoginContext): Promise<void>;
  /** Gives `#` and a keyed hash for a name that no directory knows: people type passwords into the name. */
  describeUser(name: Buffer): string;
}

/** Makes the authenticator. The hashes of `describeUser` are this process's own. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const hash = new KeyedHash();
  return {
    authenticate: (proof, context, signal) => authenticate(options, { proof, context, signal }),
    lookup: (name, context, signal) => lookup(options, name, context, signal),
    credentials: (name, context, signal) => credentials(options, name, context, signal),
    admit: async (name, context) =>
      await context.guard?.admitAddress(readLoginName(name, namesFor(options, context))?.full),
    describeUser: (name) => `#${hash.of(name).toString('hex', 0, 4)}`,
  };
}

interface Attempt {
  readonly proof: Proof;
  readonly context: LoginContext;
  readonly signal: AbortSignal;
}

async function authenticate(options: AuthenticatorOptions, attempt: Attempt): Promise<Authentication> {
  const { proof, context } = attempt;
  const names = namesFor(options, context);
  const login = readLoginName(proof.authcid, names);
  if (login !== undefined) {
    context.trace?.('name', login.full);
    await context.guard?.admit(login.full);
  }
  if (proof.kind === 'refuted') {
    const { reason, known, detail } = proof;
    if (known !== undefined) {
      await context.guard?.admit(known);
    }
    return {
      kind: 'refused',
      reason,
      ...(known !== undefined && { known }),
      ...(detail !== undefined && { detail }),
    };
  }
  if (login === undefined) {
    context.trace?.('name', whyNoLoginName(proof.authcid, names));
    // No character of it: people type passwords into the name.
    return { kind: 'refused', reason: 'badName', detail: 'a name that no account can have' };
  }
  if (proof.authzid.length > 0 && readLoginName(proof.authzid, names) === undefined) {
    return {
      kind: 'refused',
      reason: 'badName',
      detail: 'it wants to act for a name that no account can have',
    };
  }
  const verdict = await judge(options, attempt, proof, login);
  if (verdict.kind === 'refused') {
    return verdict;
  }
  checkAccountName(verdict.account, options.names);
  return await authorize(options, attempt, { login, ...verdict });
}

type Judged = Extract<Verdict, { kind: 'right' }> | Refused;

async function judge(
  options: AuthenticatorOptions,
  { context, signal }: Attempt,
  proof: PasswordProof | MechanismProof,
  login: LoginName,
): Promise<Judged> {
  if (proof.kind === 'proved' && proof.account !== undefined) {
    await context.guard?.admit(proof.account.name);
    return { kind: 'right', account: proof.account };
  }
  const directory = directoryOf(options.realms, login);
  if (directory === undefined) {
    return { kind: 'refused', reason: 'unknownUser', detail: 'no directory for this domain' };
  }
  if (proof.kind === 'proved') {
    const account = await directory.lookup(login, context, signal);
    if (account === undefined) {
      return { kind: 'refused', reason: 'unknownUser' };
    }
    await context.guard?.admit(account.name);
    return { kind: 'right', account };
  }
  const password = readPassword(proof.password, options.names.latin1Passwords);
  if (password === undefined) {
    return { kind: 'refused', reason: 'wrongPassword', detail: 'an empty or unreadable password' };
  }
  const verdict = await directory.authenticate(login, password, context, signal);
  if (verdict.kind === 'right') {
    return verdict;
  }
  const { reason, known } = verdict;
  return { kind: 'refused', reason, ...(known !== undefined && { known }) };
}

async function credentials(
  options: AuthenticatorOptions,
  name: Buffer,
  context: LoginContext,
  signal: AbortSignal,
): Promise<Credentials> {
  const login = readLoginName(name, namesFor(options, context));
  if (login === undefined) {
    return { kind: 'none', login: name.toString('latin1'), reason: 'badName' };
  }
  await context.guard?.admit(login.full);
  const directory = directoryOf(options.realms, login);
  if (directory !== undefined && directory.stored === undefined) {
    const detail = 'its directory may not be asked for stored passwords (readPasswords, or verify: hash)';
    return { kind: 'none', login: login.full, reason: 'noStoredKey', detail };
  }
  const stored = await directory?.stored?.(login, context, signal);
  return stored === undefined
    ? { kind: 'none', login: login.full, reason: 'unknownUser' }
    : { kind: 'found', login: login.full, ...stored };
}

/** What names are on the listener that the login came by. */
function namesFor({ names }: AuthenticatorOptions, { defaultDomain }: LoginContext): NameOptions {
  return defaultDomain === undefined ? names : { ...names, defaultDomain };
}

async function lookup(
  options: AuthenticatorOptions,
  name: Buffer,
  context: LoginContext,
  signal: AbortSignal,
): Promise<Account | undefined> {
  const names = namesFor(options, context);
  const login = readLoginName(name, names);
  if (login === undefined) {
    throw new LoginFailure('badName', whyNoLoginName(name, names));
  }
  context.trace?.('name', login.full);
  const account = await directoryOf(options.realms, login)?.lookup(login, context, signal);
  if (account !== undefined) {
    checkAccountName(account, options.names);
  }
  return account;
}

function directoryOf(realms: readonly Realm[], login: LoginName): Directory | undefined {
  const domain = login.domain?.toLowerCase();
  const named = realms.find(({ domains }) => domains?.some((name) => name.toLowerCase() === domain));
  return (named ?? realms.find(({ domains }) => domains === undefined))?.directory;
}

/** Who proved himself, by which name. */
interface Proved extends Pick<Extract<Verdict, { kind: 'right' }>, 'account' | 'unverified'> {
  readonly login: LoginName;
}

/** Decides as whom somebody may act who proved himself: his own right to it first, then what bars him or the other. */
async function authorize(
  options: AuthenticatorOptions,
  attempt: Attempt,
  proved: Proved,
): Promise<Authentication> {
  const { account, unverified = false } = proved;
  const target = await targetOf(options, attempt, proved);
  if (target === undefined) {
    return refuseBarred(account) ?? { kind: 'admitted', account, unverified };
  }
  // Whether the other one exists is not told to who may not act for him. Nor may anybody act for others whom nobody
  // has verified.
  const { account: other } = target;
  if (
    unverified ||
    other === undefined ||
    !mayActFor(options.delegates ?? [], account, { ...target, account: other })
  ) {
    const detail = 'it wants to act for another user';
    return { kind: 'refused', reason: 'notAuthorized', known: account.name, detail };
  }
  checkAccountName(other, options.names);
  const actedBy = account.name;
  attempt.context.trace?.('acts', `${actedBy} may act for ${other.name}`);
  const barred = refuseBarred(other);
  return (
    refuseBarred(account) ??
    (barred === undefined
      ? { kind: 'admitted', account: other, unverified, actedBy }
      : { ...barred, actedBy })
  );
}

/** Finds for whom somebody wants to act. @returns `undefined` where that is himself, by whatever name. */
async function targetOf(
  options: AuthenticatorOptions,
  { proof, context, signal }: Attempt,
  { login, account }: Proved,
): Promise<{ readonly login: LoginName; readonly account: Account | undefined } | undefined> {
  const other = readLoginName(proof.authzid, namesFor(options, context));
  if (other === undefined || other.full === login.full || proof.authzid.equals(Buffer.from(account.name))) {
    return undefined;
  }
  const directory = directoryOf(options.realms, other);
  const target = await directory?.lookup(other, context, signal).catch(asUnknown);
  const isSelf = directory === directoryOf(options.realms, login) && target?.entry === account.entry;
  return isSelf ? undefined : { login: other, account: target };
}

/** An entry at fault is not told apart from none: who may not act for it shall not learn that it is there. */
function asUnknown(error: unknown): undefined {
  if (!(error instanceof LoginFailure && error.reason === 'directoryFault')) {
    throw error;
  }
}

function refuseBarred({ bar, name }: Account): Refused | undefined {
  return bar === undefined ? undefined : { kind: 'refused', ...bar, known: name };
}

// The account's name goes to the node, where a separator in it could name another user.
function checkAccountName(account: Account, names: NameOptions): void {
  if (!isNameText(account.name, names.punctuation)) {
    throw new LoginFailure(
      'directoryFault',
      `${account.entry}: the account's name has characters that names may not have`,
    );
  }
}
