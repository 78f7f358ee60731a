import { describe, expect, it } from 'vitest';
import { schemaOptions } from '../../../auth/entries/presets.ts';
import { compileSchema, searchesFor } from '../../../auth/entries/schema.ts';
import { type Asked, readBindResult, readOnlyEntry } from '../../../auth/ldap/results.ts';

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
  ])('F7 reads %s', (_, answer, verdict) => {
    expect(readBindResult(answer, 'bind')).toBe(verdict);
  });

  // Never a wrong password.
  it.each([1, 3, 11, 51, 52, 53, 80])('F6 can not tell by result %i', (code) => {
    expect(() => readBindResult(result(code, 'words'), 'bind as uid=a')).toThrow(
      expect.objectContaining({
        reason: 'directoryDown',
        message: expect.stringMatching(new RegExp(`^${code} [a-zA-Z]+: words \\(bind as uid=a\\)$`)),
      }),
    );
  });

  it.each([2, 8, 10, 13, 34, 50, 4096])('calls result %i a fault of the directory', (code) => {
    expect(() => readBindResult(result(code), 'bind')).toThrow(
      expect.objectContaining({ reason: 'directoryFault' }),
    );
  });
});

describe('readOnlyEntry', () => {
  const CANARY = 'CANARY-password';
  const entry = (dn: string) => ({ dn, attributes: new Map<string, string[]>() });
  const found = (code: number, dns: readonly string[] = [], diagnostic = '') => ({
    ...result(code, diagnostic),
    entries: dns.map(entry),
    isOversized: false,
  });
  const asked = (base = 'ou=people,dc=x'): Asked => {
    const schema = compileSchema(schemaOptions(undefined, { base }));
    const login = { full: `${CANARY}@${CANARY}.org`, localPart: CANARY, domain: `${CANARY}.org` };
    const [search] = searchesFor(schema, login);
    if (search === undefined) throw new Error('no search');
    return { search, login, url: 'ldap://a' };
  };
  const where = '(search (uid=%u) below ou=people,dc=x at ldap://a)';

  it('gives the one entry, or none', () => {
    expect(readOnlyEntry(found(0, ['uid=a']), asked())).toEqual(entry('uid=a'));
    expect(readOnlyEntry(found(0), asked())).toBeUndefined();
  });

  it.each<[number, string[], string]>([
    [0, ['uid=a', 'uid=b'], 'two entries have this name: uid=a and uid=b'],
    [4, ['uid=a', 'uid=b'], 'two entries have this name: uid=a and uid=b'],
    [4, [], 'more than one entry has this name'],
  ])('says of result %i with %j which entries have the name', (code, dns, message) => {
    expect(() => readOnlyEntry(found(code, dns), asked())).toThrow(
      expect.objectContaining({ reason: 'directoryFault', message: `${message} ${where}` }),
    );
  });

  it('takes a missing base for no entry only where the base depends on the login', () => {
    expect(readOnlyEntry(found(32), asked('o=%d,o=internet'))).toBeUndefined();
    expect(() => readOnlyEntry(found(32), asked())).toThrow(
      expect.objectContaining({
        reason: 'directoryFault',
        message: `32 noSuchObject: there is no entry ou=people,dc=x, or bindDn may not see it ${where}`,
      }),
    );
  });

  it.each([
    [10, '10 referral: a referral to another server, which is never followed'],
    [34, '34 invalidDNSyntax: base is no distinguished name: ou=people,dc=x'],
    [50, '50 insufficientAccessRights: bindDn may not search below ou=people,dc=x'],
    [53, '53 unwillingToPerform'],
    [4097, 'result 4097'],
  ])('A33 says what to look at for result %i', (code, message) => {
    expect(() => readOnlyEntry(found(code), asked())).toThrow(
      expect.objectContaining({ message: `${message} ${where}` }),
    );
  });

  it('tells the words of the server, unless they repeat the login name', () => {
    expect(() => readOnlyEntry(found(53, [], 'go away'), asked())).toThrow(
      '53 unwillingToPerform: go away (',
    );
    expect(() => readOnlyEntry(found(53, [], `no (uid=${CANARY.toLowerCase()})`), asked())).toThrow(
      `53 unwillingToPerform ${where}`,
    );
  });

  // People type passwords into the name, and every failure is logged.
  it.each(['dc=x', 'o=%d,o=internet'])('says of no login below %s what somebody typed', (base) => {
    for (const code of [1, 2, 3, 4, 10, 11, 34, 50, 53, 80]) {
      expect(() => readOnlyEntry(found(code, [], `words about ${CANARY}`), asked(base))).toThrow(
        expect.objectContaining({ message: expect.not.stringMatching(/CANARY/i) }),
      );
    }
  });
});
