/** Which directory has the account that a name stands for. */
import type { Account, Directory, LoginContext, LoginName } from './directory.ts';
import { EntryFault } from './failure.ts';
import { isNameText, type NameOptions } from './names.ts';

/** A directory and the domains whose users it has. */
export interface Realm {
  /** In any case; `undefined` takes the names that no other realm does. */
  readonly domains: readonly string[] | undefined;
  readonly directory: Directory;
}

/** What names may be, and where their accounts are. */
export interface RealmTerms {
  /** Asked by domain, in order; the first without domains is for all other names. */
  readonly realms: readonly Realm[];
  readonly names: NameOptions;
}

/** Says what names are on the listener that the login came by. */
export function namesFor({ names }: RealmTerms, { defaultDomain }: LoginContext): NameOptions {
  return defaultDomain === undefined ? names : { ...names, defaultDomain };
}

/** Gives the directory that has the domain of a name; `undefined` where none has. */
export function directoryOf({ realms }: RealmTerms, login: LoginName): Directory | undefined {
  const domain = login.domain?.toLowerCase();
  const named = realms.find(({ domains }) => domains?.some((name) => name.toLowerCase() === domain));
  return (named ?? realms.find(({ domains }) => domains === undefined))?.directory;
}

/**
 * Checks the name by which an account goes to its node, where a separator in it could name another user.
 * @throws {EntryFault}
 */
export function checkAccountName(account: Account, { names }: RealmTerms): void {
  if (!isNameText(account.name, names.punctuation)) {
    throw new EntryFault(`${account.entry}: the account's name has characters that names may not have`);
  }
}
