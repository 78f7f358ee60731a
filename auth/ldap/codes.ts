/** Result codes by their names (RFC 4511 section 4.1.9), and what some of them ask an operator to look at. */
import type { LdapResult } from './message.ts';

/** Codes that decide something here. */
export const LDAP_CODE = {
  success: 0,
  sizeLimitExceeded: 4,
  referral: 10,
  constraintViolation: 19,
  noSuchObject: 32,
  invalidDnSyntax: 34,
  inappropriateAuthentication: 48,
  invalidCredentials: 49,
  insufficientAccessRights: 50,
  busy: 51,
  unavailable: 52,
} as const;

const NAMES: ReadonlyMap<number, string> = new Map([
  [0, 'success'],
  [1, 'operationsError'],
  [2, 'protocolError'],
  [3, 'timeLimitExceeded'],
  [4, 'sizeLimitExceeded'],
  [7, 'authMethodNotSupported'],
  [8, 'strongerAuthRequired'],
  [10, 'referral'],
  [11, 'adminLimitExceeded'],
  [12, 'unavailableCriticalExtension'],
  [13, 'confidentialityRequired'],
  [14, 'saslBindInProgress'],
  [16, 'noSuchAttribute'],
  [17, 'undefinedAttributeType'],
  [18, 'inappropriateMatching'],
  [19, 'constraintViolation'],
  [20, 'attributeOrValueExists'],
  [21, 'invalidAttributeSyntax'],
  [32, 'noSuchObject'],
  [33, 'aliasProblem'],
  [34, 'invalidDNSyntax'],
  [36, 'aliasDereferencingProblem'],
  [48, 'inappropriateAuthentication'],
  [49, 'invalidCredentials'],
  [50, 'insufficientAccessRights'],
  [51, 'busy'],
  [52, 'unavailable'],
  [53, 'unwillingToPerform'],
  [54, 'loopDetect'],
  [80, 'other'],
  [4096, 'syncRefreshRequired'],
]);

/** A code with its name: `49 invalidCredentials`. */
export function codeWithName(code: number): string {
  const name = NAMES.get(code);
  return name === undefined ? `result ${code}` : `${code} ${name}`;
}

/** A result in words: the code, what to look at where that is known, and what the server says. */
export function resultText({ code, diagnostic }: LdapResult, hints: ReadonlyMap<number, string>): string {
  return [codeWithName(code), hints.get(code), diagnostic.replaceAll('\0', '').trim()]
    .filter((part) => part !== undefined && part !== '')
    .join(': ');
}

/** What to look at when the proxy's own bind is refused. */
export const SERVICE_BIND_HINTS: ReadonlyMap<number, string> = new Map([
  [LDAP_CODE.noSuchObject, 'there is no entry bindDn'],
  [LDAP_CODE.invalidDnSyntax, 'bindDn is no distinguished name'],
  [LDAP_CODE.inappropriateAuthentication, 'the entry bindDn has no password'],
  [LDAP_CODE.invalidCredentials, 'bindDn or the content of passwordFile is wrong'],
]);

/** What to look at when a search below a base is refused. */
export function searchHints(base: string): ReadonlyMap<number, string> {
  return new Map([
    [LDAP_CODE.referral, 'a referral to another server, which is never followed'],
    [LDAP_CODE.noSuchObject, `there is no entry ${base}, or bindDn may not see it`],
    [LDAP_CODE.invalidDnSyntax, `base is no distinguished name: ${base}`],
    [
      LDAP_CODE.sizeLimitExceeded,
      'the server gives no more entries in one search: raise its limit for bindDn',
    ],
    [LDAP_CODE.insufficientAccessRights, `bindDn may not search below ${base}`],
  ]);
}
