import { describe, expect, it } from 'vitest';
import { readBindResult, readOnlyEntry } from '../../auth/ldap-results.ts';

const result = (code: number, diagnostic = '', policyError?: number) => ({ code, diagnostic, policyError });
const activeDirectory = (data: string) =>
  result(49, `80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data ${data}, v3839`);

describe('readBindResult', () => {
  it.each([
    ['success', result(0), 'right'],
    ['success with a warning', result(0, '', undefined), 'right'],
    ['success that must change its password', result(0, '', 2), 'mustChange'],
    ['invalid credentials', result(49), 'wrongPassword'],
    ['an account that the policy locked', result(49, '', 1), 'locked'],
    ['a password that the policy let expire', result(49, '', 0), 'expired'],
    ['too many attempts at 389 Directory Server', result(19, 'Exceed password retry limit.'), 'locked'],
    ['an entry without a password', result(48), 'wrongPassword'],
    ['an entry that is gone', result(32), 'wrongPassword'],
    ['a wrong password at Active Directory', activeDirectory('52e'), 'wrongPassword'],
    ['no such user at Active Directory', activeDirectory('525'), 'wrongPassword'],
    ['a password that Active Directory let expire', activeDirectory('532'), 'expired'],
    ['a password to be changed at Active Directory', activeDirectory('773'), 'expired'],
    ['logon hours at Active Directory', activeDirectory('530'), 'disabled'],
    ['logon workstations at Active Directory', activeDirectory('531'), 'disabled'],
    ['an account disabled at Active Directory', activeDirectory('533'), 'disabled'],
    ['an account expired at Active Directory', activeDirectory('701'), 'disabled'],
    ['an account locked at Active Directory', activeDirectory('775'), 'locked'],
  ])('reads %s', (_, answer, verdict) => {
    expect(readBindResult(answer, 'bind')).toBe(verdict);
  });

  // FAULTS F6: never a wrong password.
  it.each([1, 3, 11, 51, 52, 53, 80])('can not tell by result %i', (code) => {
    expect(() => readBindResult(result(code, 'words'), 'bind as uid=a')).toThrow(
      expect.objectContaining({ reason: 'directoryDown', message: `bind as uid=a: result ${code} words` }),
    );
  });

  it.each([2, 8, 10, 13, 34, 50, 4096])('calls result %i a fault of the directory', (code) => {
    expect(() => readBindResult(result(code), 'bind')).toThrow(
      expect.objectContaining({ reason: 'directoryFault' }),
    );
  });
});

describe('readOnlyEntry', () => {
  const entry = { dn: 'uid=a', attributes: new Map<string, string[]>() };
  const found = (code: number, count: number) => ({
    ...result(code),
    entries: Array.from({ length: count }, () => entry),
  });

  it('gives the one entry, or none', () => {
    expect(readOnlyEntry(found(0, 1), 'search', false)).toBe(entry);
    expect(readOnlyEntry(found(0, 0), 'search', false)).toBeUndefined();
  });

  it.each([
    [0, 2],
    [4, 2],
    [4, 0],
  ])('calls result %i with %i entries ambiguous', (code, count) => {
    expect(() => readOnlyEntry(found(code, count), 'search', false)).toThrow(
      expect.objectContaining({ reason: 'directoryFault', message: expect.stringContaining('ambiguous') }),
    );
  });

  it('takes a missing base for no entry only where the base depends on the login', () => {
    expect(readOnlyEntry(found(32, 0), 'search', true)).toBeUndefined();
    expect(() => readOnlyEntry(found(32, 0), 'search', false)).toThrow(
      expect.objectContaining({ reason: 'directoryFault' }),
    );
  });

  it('does not follow a referral', () => {
    expect(() => readOnlyEntry(found(10, 0), 'search', true)).toThrow('referral, which is never followed');
  });
});
