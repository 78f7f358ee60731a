import { type Attempt, type Authentication, refuseBarred, refuseUnverified } from './authentication.ts';
import type { Account, LoginName } from './directory.ts';
import { LoginFailure } from './failure.ts';
import { readLoginName } from './names.ts';
import { checkAccountName, directoryOf, namesFor, type RealmTerms } from './realms.ts';

/** An account that may act for others: webmail, a migration. */
export interface Delegate {
  /** Account name. */
  readonly account: string;
  /** Account or login names, domains, or `*` for everybody. */
  readonly mayActFor: readonly string[];
}

/** Where the accounts are, and who of them may act for others: nobody, if `delegates` is left out. */
interface DelegateTerms extends RealmTerms {
  readonly delegates?: readonly Delegate[];
}

/** Who proved himself, by which name. */
interface Proved {
  readonly login: LoginName;
  readonly account: Account;
  /** Nobody has verified him: his node is to do that. */
  readonly unverified: boolean;
}

/** For whom somebody wants to act, by the name that he gave and by the account that it is of. */
export interface Target {
  readonly login: LoginName;
  readonly account: Account;
}

/** Decides as whom somebody may act who proved himself: his own right to it first, then what bars him or the other. */
export async function authorize(
  options: DelegateTerms,
  attempt: Attempt,
  proved: Proved,
): Promise<Authentication> {
  const decided = await decide(options, attempt, proved);
  return proved.unverified && decided.kind === 'refused' ? refuseUnverified(decided) : decided;
}

async function decide(options: DelegateTerms, attempt: Attempt, proved: Proved): Promise<Authentication> {
  const { account, unverified } = proved;
  const target = await targetOf(options, attempt, proved);
  if (target === undefined) {
    const directory = directoryOf(options, proved.login);
    const refused = refuseBarred(account);
    if (refused?.reason === 'held' && !unverified) return { ...refused, held: { account, directory } };
    return refused ?? { kind: 'admitted', account, directory, unverified };
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
  checkAccountName(other, options);
  const actedBy = account.name;
  attempt.context.trace?.('acts', `${actedBy} may act for ${other.name}`);
  const barred = refuseBarred(other);
  const directory = directoryOf(options, target.login);
  const delegate = {
    account,
    directory: directoryOf(options, proved.login),
    mayAct: (now: Account) => mayActFor(options.delegates ?? [], now, { ...target, account: other }),
  };
  return (
    refuseBarred(account) ??
    (barred === undefined
      ? {
          kind: 'admitted',
          account: other,
          directory,
          unverified,
          delegate,
        }
      : {
          ...barred,
          actedBy,
          ...(barred.reason === 'held' && { held: { account: other, directory, delegate } }),
        })
  );
}

/** Finds for whom somebody wants to act. @returns `undefined` where that is himself, by whatever name. */
async function targetOf(
  options: DelegateTerms,
  { proof, context, signal }: Attempt,
  { login, account }: Proved,
): Promise<{ readonly login: LoginName; readonly account: Account | undefined } | undefined> {
  const other = readLoginName(proof.authzid, namesFor(options, context));
  if (other === undefined || other.full === login.full || proof.authzid.equals(Buffer.from(account.name))) {
    return undefined;
  }
  const directory = directoryOf(options, other);
  const target = await directory?.lookup(other, context, signal).catch(asUnknown);
  const isSelf = directory === directoryOf(options, login) && target?.entry === account.entry;
  return isSelf ? undefined : { login: other, account: target };
}

/** An entry at fault is not told apart from none: who may not act for it shall not learn that it is there. */
function asUnknown(error: unknown): undefined {
  if (!(error instanceof LoginFailure && error.reason === 'directoryFault')) {
    throw error;
  }
}

/** Whether an account may act for another: because the configuration says so, or its own entry. */
function mayActFor(delegates: readonly Delegate[], delegate: Account, target: Target): boolean {
  const granted = delegates
    .filter(({ account }) => account === delegate.name)
    .flatMap((configured) => configured.mayActFor);
  const covering = coveringOf(target);
  return [...granted, ...(delegate.mayActFor ?? [])].some((grant) =>
    covering.has(grant.trim().toLowerCase()),
  );
}

/**
 * What covers a target. Its domain is that of the account's name: only an account whose name has none is of the domain
 * by which it was named, since any entry may have an alias in a domain that is not its own.
 */
function coveringOf({ login, account }: Target): ReadonlySet<string> {
  const at = account.name.lastIndexOf('@');
  const domain = at < 0 ? login.domain : account.name.slice(at + 1);
  const names = ['*', account.name, login.full, ...(domain === undefined ? [] : [domain])];
  return new Set(names.map((name) => name.toLowerCase()));
}
