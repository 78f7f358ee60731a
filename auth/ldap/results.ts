import type { LoginName, PasswordVerdict } from '../directory.ts';
import { ambiguityOf, type Entry } from '../entries/entry.ts';
import type { AccountSearch } from '../entries/schema.ts';
import { EntryFault, LoginFailure } from '../failure.ts';
import { codeWithName, LDAP_CODE, resultText, searchHints } from './codes.ts';
import type { LdapResult } from './message.ts';
import type { LdapSearchResult } from './search.ts';

/** What a directory said to a user's bind: `right`, or why the password does not get in. */
export type BindVerdict = Exclude<PasswordVerdict, 'leftToNode'>;

/** operationsError, timeLimitExceeded, adminLimitExceeded, busy, unavailable, unwillingToPerform, other. */
const CANT_TELL_NOW: readonly number[] = [1, 3, 11, 51, 52, 53, 80];

/** `error` of the control (draft-behera-ldap-password-policy section 6.2). */
const POLICY_ERRORS: ReadonlyMap<number, BindVerdict> = new Map([
  [0, 'expired'],
  [1, 'locked'],
  [2, 'mustChange'],
]);

/**
 * Active Directory's sub-errors: `80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data 775`.
 * All but 775 are said only where the password is right.
 */
const ACTIVE_DIRECTORY_ERRORS: ReadonlyMap<string, BindVerdict> = new Map([
  ['530', 'disabled'],
  ['531', 'disabled'],
  ['532', 'expired'],
  ['533', 'disabled'],
  ['701', 'disabled'],
  ['773', 'expired'],
  ['775', 'locked'],
]);

/**
 * Reads the answer to a user's bind.
 * @throws {LoginFailure} `directoryDown` when the server could not tell, `directoryFault` when it won't.
 */
export function readBindResult(result: LdapResult, what: string): BindVerdict {
  const policy = result.policyError === undefined ? undefined : POLICY_ERRORS.get(result.policyError);
  if (result.code === LDAP_CODE.success) {
    // A user who must change a password is let in only to do that.
    return policy === 'mustChange' ? policy : 'right';
  }
  if (result.code === LDAP_CODE.invalidCredentials) {
    return policy ?? activeDirectoryError(result.diagnostic) ?? 'wrongPassword';
  }
  if (result.code === LDAP_CODE.constraintViolation) {
    // 389 Directory Server: "Exceed password retry limit. Please try later."
    return 'locked';
  }
  if (
    result.code === LDAP_CODE.noSuchObject ||
    // The entry has no password.
    result.code === LDAP_CODE.inappropriateAuthentication
  ) {
    return 'wrongPassword';
  }
  throw new LoginFailure(reasonOf(result), `${resultText(result, NO_HINTS)} (${what})`);
}

/** What was searched for, at which server. */
export interface Asked {
  readonly search: AccountSearch;
  readonly login: LoginName;
  readonly url: string;
}

/**
 * Gives the one entry that a search found.
 * @returns `undefined` when there is none; a missing base whose name depends on the login is no more than that.
 * @throws {EntryFault} when there are several. @throws {LoginFailure} when none can be had. It names the search as it is
 * configured: the login name may be a password that was typed into the wrong field.
 */
export function readOnlyEntry(result: LdapSearchResult, { search, login, url }: Asked): Entry | undefined {
  const { base, filter } = search.template;
  const where = `(search ${filter} below ${base} at ${url})`;
  if (isAmbiguous(result)) {
    throw new EntryFault(`${ambiguityOf(result.entries)} ${where}`);
  }
  if (result.isOversized) {
    throw new EntryFault(`${OVERSIZED} ${where}`);
  }
  if (result.code === LDAP_CODE.success) {
    return result.entries[0];
  }
  if (result.code === LDAP_CODE.noSuchObject && base.includes('%d')) {
    return undefined;
  }
  throw new LoginFailure(
    reasonOf(result),
    `${resultText(withoutName(result, login), searchHints(base))} ${where}`,
  );
}

/**
 * Gives the entry that was asked for by its name; `undefined` when it is gone.
 * @throws {LoginFailure} when that could not be told.
 */
export function readReread(result: LdapSearchResult, what: string): Entry | undefined {
  if (result.isOversized) {
    throw new EntryFault(`${OVERSIZED} (${what})`);
  }
  if (result.code === LDAP_CODE.success) {
    return result.entries[0];
  }
  if (result.code === LDAP_CODE.noSuchObject) {
    return undefined;
  }
  throw new LoginFailure(reasonOf(result), `${resultText(result, NO_HINTS)} (${what})`);
}

/** @throws {LoginFailure} when the base of all accounts is not to be seen. */
export function requireBase(result: LdapResult, what: string): void {
  if (result.code === LDAP_CODE.success) return;
  throw new LoginFailure('directoryFault', `${resultText(result, NO_HINTS)} (${what})`);
}

/** What a search found, in a few words for `homing explain`. */
export function findingOf(result: LdapSearchResult): string {
  if (isAmbiguous(result)) {
    return 'several entries';
  }
  return result.code === LDAP_CODE.success
    ? (result.entries[0]?.dn ?? 'no entry')
    : codeWithName(result.code);
}

const OVERSIZED = 'the entry is too large: more than 1 MiB, or more than 10,000 values and attributes';
const NO_HINTS: ReadonlyMap<number, string> = new Map();

function isAmbiguous({ entries, code }: LdapSearchResult): boolean {
  return entries.length > 1 || code === LDAP_CODE.sizeLimitExceeded;
}

/** Drops the server's words where they hold the login name: some servers repeat what they were asked. */
function withoutName(result: LdapResult, { full, localPart, domain }: LoginName): LdapResult {
  const words = result.diagnostic.toLowerCase();
  const repeated = [full, localPart, domain].some(
    (part) => part !== undefined && part !== '' && words.includes(part.toLowerCase()),
  );
  return repeated ? { ...result, diagnostic: '' } : result;
}

function reasonOf({ code }: LdapResult): 'directoryDown' | 'directoryFault' {
  return CANT_TELL_NOW.includes(code) ? 'directoryDown' : 'directoryFault';
}

function activeDirectoryError(diagnostic: string): BindVerdict | undefined {
  const [, code = ''] = /AcceptSecurityContext error, data ([0-9a-f]+)/i.exec(diagnostic) ?? [];
  return ACTIVE_DIRECTORY_ERRORS.get(code.toLowerCase());
}
