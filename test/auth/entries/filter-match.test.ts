import { FilterParser } from 'ldapts';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../../auth/entries/entry.ts';
import { matchesFilter } from '../../../auth/entries/filter-match.ts';

const ALICE: Entry = {
  dn: 'uid=alice',
  attributes: new Map([
    ['objectclass', ['top', 'qmailUser']],
    ['uid', ['alice']],
    ['mail', ['Alice@Example.org', 'boss@example.org']],
    ['uidnumber', ['5000']],
    ['useraccountcontrol', ['514']],
    ['star', ['a*b']],
  ]),
};

describe('matchesFilter', () => {
  it.each([
    '(uid=alice)',
    '(UID=ALICE)',
    '(mail=boss@example.org)',
    '(objectClass=*)',
    '(&(objectClass=qmailuser)(|(uid=bob)(mail=alice@example.org)))',
    '(!(accountStatus=disabled))',
    '(mail=ali*@*.org)',
    '(mail=*)',
    '(mail=*example*)',
    '(star=a\\2ab)',
    '(uidNumber>=5000)',
    '(uidNumber<=10000)',
    '(uid>=al)',
    '(uid~=ALICE)',
    '(userAccountControl:1.2.840.113556.1.4.803:=2)',
    '(userAccountControl:1.2.840.113556.1.4.804:=3)',
  ])('finds the entry by %s', (filter) => {
    expect(matchesFilter(FilterParser.parseString(filter), ALICE)).toBe(true);
  });

  it.each([
    '(uid=alic)',
    '(uid=a\\2a)',
    '(accountStatus=active)',
    '(accountStatus=*)',
    '(&(uid=alice)(uid=bob))',
    '(!(uid=alice))',
    '(mail=lice*)',
    '(mail=*example.org*org)',
    '(mail=alice@example.org*org)',
    '(uidNumber>=10000)',
    '(userAccountControl:1.2.840.113556.1.4.803:=3)',
    '(userAccountControl:1.2.840.113556.1.4.804:=4096)',
    '(uid:caseExactMatch:=alice)',
    '(__proto__=x)',
  ])('does not find the entry by %s', (filter) => {
    expect(matchesFilter(FilterParser.parseString(filter), ALICE)).toBe(false);
  });
});
