import type { Entry } from './entry.ts';
import { LoginFailure, type Reason } from './failure.ts';
import type { LdapSearchResult } from './ldap-connection.ts';
import type { LdapResult } from './ldap-message.ts';

/** What a directory said to a user's bind: `right`, or why the password does not get in. */
export type BindVerdict =
  | 'right'
  | Extract<Reason, 'wrongPassword' | 'locked' | 'expired' | 'mustChange' | 'disabled'>;

const SUCCESS = 0;
const SIZE_LIMIT_EXCEEDED = 4;
const REFERRAL = 10;
const CONSTRAINT_VIOLATION = 19;
const INVALID_CREDENTIALS = 49;
const NO_SUCH_OBJECT = 32;
/** inappropriateAuthentication: the entry has no password. */
const NO_PASSWORD_THERE = 48;
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
  if (result.code === SUCCESS) {
    // A user who must change a password is let in only to do that.
    return policy === 'mustChange' ? policy : 'right';
  }
  if (result.code === INVALID_CREDENTIALS) {
    return policy ?? activeDirectoryError(result.diagnostic) ?? 'wrongPassword';
  }
  if (result.code === CONSTRAINT_VIOLATION) {
    // 389 Directory Server: "Exceed password retry limit. Please try later."
    return 'locked';
  }
  if (result.code === NO_SUCH_OBJECT || result.code === NO_PASSWORD_THERE) {
    return 'wrongPassword';
  }
  throw failureOf(result, what);
}

/**
 * Gives the one entry that a search found.
 * @returns `undefined` when there is none; `baseMayBeMissing` takes a missing base for that.
 * @throws {LoginFailure} `directoryFault` when there are several, or none can be had.
 */
export function readOnlyEntry(
  result: LdapSearchResult,
  what: string,
  baseMayBeMissing: boolean,
): Entry | undefined {
  if (result.entries.length > 1 || result.code === SIZE_LIMIT_EXCEEDED) {
    throw new LoginFailure('directoryFault', `${what}: ambiguous, it finds more than one entry`);
  }
  if (result.code === SUCCESS) {
    return result.entries[0];
  }
  if (result.code === NO_SUCH_OBJECT && baseMayBeMissing) {
    return undefined;
  }
  throw failureOf(result, what);
}

function failureOf(result: LdapResult, what: string): LoginFailure {
  const reason = CANT_TELL_NOW.includes(result.code) ? 'directoryDown' : 'directoryFault';
  const name = result.code === REFERRAL ? 'referral, which is never followed' : result.diagnostic;
  return new LoginFailure(reason, `${what}: result ${result.code} ${name}`.trimEnd());
}

function activeDirectoryError(diagnostic: string): BindVerdict | undefined {
  const [, code = ''] = /AcceptSecurityContext error, data ([0-9a-f]+)/i.exec(diagnostic) ?? [];
  return ACTIVE_DIRECTORY_ERRORS.get(code.toLowerCase());
}
