import { describe, expect, it } from 'vitest';
import { escapeDnValue, isBelow } from '../../../auth/entries/dn.ts';

describe('escapeDnValue', () => {
  // RFC 4514 section 2.4, with the examples of section 4.
  it.each([
    ['example.org', 'example.org'],
    ['James "Jim" Smith, III', 'James \\"Jim\\" Smith\\, III'],
    ['#hash', '\\#hash'],
    [' both ', '\\ both\\ '],
    [' ', '\\ '],
    ['a+b<c>d;e=f\\', 'a\\+b\\<c\\>d\\;e\\=f\\\\'],
    ['nul\0', 'nul\\00'],
  ])('writes %j as %j', (value, escaped) => {
    expect(escapeDnValue(value)).toBe(escaped);
  });
});

describe('isBelow', () => {
  it.each([
    ['uid=a,ou=people,dc=x', 'dc=x'],
    ['UID=a, OU=People , DC=x', 'ou=people,dc=X'],
    ['dc=x', 'dc=x'],
    ['uid=a,dc=x', ''],
  ])('finds %s at or below %j', (dn, base) => {
    expect(isBelow(dn, base)).toBe(true);
  });

  it.each([
    ['uid=a,dc=xx', 'dc=x'],
    ['uid=a,odc=x', 'dc=x'],
    ['uid=a\\,dc=x', 'dc=x'],
  ])('does not find %s below %s', (dn, base) => {
    expect(isBelow(dn, base)).toBe(false);
  });
});
