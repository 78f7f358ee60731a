import type { Account, LoginName } from './directory.ts';

/** An account that may act for others: webmail, a migration. */
export interface Delegate {
  /** Account name. */
  readonly account: string;
  /** Account or login names, domains, or `*` for everybody. */
  readonly mayActFor: readonly string[];
}

/** For whom somebody wants to act, by the name that he gave and by the account that it is of. */
export interface Target {
  readonly login: LoginName;
  readonly account: Account;
}

/** Whether an account may act for another: because the configuration says so, or its own entry. */
export function mayActFor(delegates: readonly Delegate[], delegate: Account, target: Target): boolean {
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
