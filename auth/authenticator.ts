import { type Attempt, type Authentication, type Refused, refuseUnverified } from './authentication.ts';
import { authorize, type Delegate } from './delegates.ts';
import type { Account, Found, LoginContext, LoginName, StoredCredentials } from './directory.ts';
import { EntryFault, LoginFailure, type Reason } from './failure.ts';
import { KeyedHash } from './keyed-hash.ts';
import { readLoginName, whyNoLoginName } from './names.ts';
import { readPassword } from './passwords/typed-password.ts';
import { checkAccountName, directoryOf, namesFor, type RealmTerms } from './realms.ts';
import type { MechanismProof, PasswordProof, Proof, RefutedProof } from './sasl.ts';
import type { Secret } from './secret.ts';

export interface AuthenticatorOptions extends RealmTerms {
  /** Who may act for others; nobody, if it's left out. */
  readonly delegates?: readonly Delegate[];
}

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

/**
 * Asks in the order that lets nobody learn more than he has proved: the guard for the login name, the directory for
 * the entry, the guard for its account, the directory for the password; then as whom the account may act, and what
 * bars it.
 */
async function authenticate(options: AuthenticatorOptions, attempt: Attempt): Promise<Authentication> {
  const { proof, context } = attempt;
  const names = namesFor(options, context);
  const login = readLoginName(proof.authcid, names);
  if (login === undefined) {
    await context.guard?.admitAddress(undefined);
  } else {
    context.trace?.('name', login.full);
    await context.guard?.admit(login.full);
  }
  if (proof.kind === 'refuted') {
    return await refuseRefuted(proof, context);
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
  const verdict =
    proof.kind === 'proved'
      ? await accountOfProved(options, attempt, { proof, login })
      : await judgePassword(options, attempt, { proof, login });
  if (verdict.kind === 'refused') {
    return verdict;
  }
  checkAccountName(verdict.account, options);
  return await authorize(options, attempt, { login, ...verdict });
}

async function refuseRefuted(
  { reason, known, detail }: RefutedProof,
  { guard }: LoginContext,
): Promise<Refused> {
  if (known !== undefined) {
    await guard?.admit(known);
  }
  return {
    kind: 'refused',
    reason,
    ...(known !== undefined && { known }),
    ...(detail !== undefined && { detail }),
  };
}

type Judged = { readonly kind: 'right'; readonly account: Account; readonly unverified: boolean } | Refused;

const NO_DIRECTORY: Refused = {
  kind: 'refused',
  reason: 'unknownUser',
  detail: 'no directory for this domain',
};

/** Finds the account of a proof that its mechanism found right, where the mechanism has not. */
async function accountOfProved(
  options: AuthenticatorOptions,
  { context, signal }: Attempt,
  { proof, login }: { readonly proof: MechanismProof; readonly login: LoginName },
): Promise<Judged> {
  const directory = directoryOf(options, login);
  if (proof.account === undefined && directory === undefined) {
    return NO_DIRECTORY;
  }
  const account = proof.account ?? (await directory?.lookup(login, context, signal));
  if (account === undefined) {
    return { kind: 'refused', reason: 'unknownUser' };
  }
  await context.guard?.admit(account.name);
  return { kind: 'right', account, unverified: false };
}

async function judgePassword(
  options: AuthenticatorOptions,
  { context, signal }: Attempt,
  { proof, login }: { readonly proof: PasswordProof; readonly login: LoginName },
): Promise<Judged> {
  const directory = directoryOf(options, login);
  if (directory === undefined) {
    return NO_DIRECTORY;
  }
  const password = readPassword(proof.password, options.names.latin1Passwords);
  if (password === undefined) {
    return { kind: 'refused', reason: 'wrongPassword', detail: 'an empty or unreadable password' };
  }
  const found = await directory.find(login, context, signal);
  if (found === undefined) {
    return { kind: 'refused', reason: 'unknownUser' };
  }
  const { name: known } = found;
  await context.guard?.admit(known ?? found.entry);
  const verdict = isKnownWrong(found, password, context)
    ? 'wrongPassword'
    : await found.verify(password, signal);
  switch (verdict) {
    case 'right':
      return { kind: 'right', account: found.account(), unverified: false };
    case 'leftToNode':
      return accountLeftToNode(options, found);
    default:
      return { kind: 'refused', reason: verdict, ...(known !== undefined && { known }) };
  }
}

/** What is wrong with the entry of an unverified account is for the log alone. */
function accountLeftToNode(options: AuthenticatorOptions, found: Found): Judged {
  const { name: known } = found;
  try {
    const account = found.account();
    checkAccountName(account, options);
    return { kind: 'right', account, unverified: true };
  } catch (error) {
    const { reason, message: detail } = faultOf(error);
    return refuseUnverified({ kind: 'refused', reason, detail, ...(known !== undefined && { known }) });
  }
}

function isKnownWrong({ entry, passwordVersion }: Found, password: Secret, { guard }: LoginContext): boolean {
  return passwordVersion !== undefined && guard?.knownWrong(entry, passwordVersion, password) === true;
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
  const directory = directoryOf(options, login);
  if (directory !== undefined && directory.stored === undefined) {
    const detail = 'its directory may not be asked for stored passwords (readPasswords, or verify: hash)';
    return { kind: 'none', login: login.full, reason: 'noStoredKey', detail };
  }
  const stored = await directory?.stored?.(login, context, signal).catch(faultOf);
  if (stored === undefined) {
    return { kind: 'none', login: login.full, reason: 'unknownUser' };
  }
  if (stored instanceof EntryFault) {
    // Said before the proof, it would say that the entry is there.
    return { kind: 'none', login: login.full, reason: 'noStoredKey', detail: stored.message };
  }
  await context.guard?.admit(stored.account.name);
  return { kind: 'found', login: login.full, ...stored };
}

function faultOf(error: unknown): EntryFault {
  if (error instanceof EntryFault) {
    return error;
  }
  throw error;
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
  const account = await directoryOf(options, login)?.lookup(login, context, signal);
  if (account !== undefined) {
    checkAccountName(account, options);
  }
  return account;
}
