import { describe, expect, it } from 'vitest';
import { type ForwardMap, forwardedOf } from '../../../auth/entries/forwarded.ts';

function forwarded(
  map: ForwardMap,
  attributes: Readonly<Record<string, string>> = {},
  name = 'alice@example.org',
) {
  const entry = {
    dn: 'uid=alice',
    attributes: new Map(Object.entries(attributes).map(([key, value]) => [key, [value]])),
  };
  return Object.fromEntries(forwardedOf(map, entry, name));
}

const template = (text: string): ForwardMap => ({ home: { kind: 'template', template: text } });
const QUOTA: ForwardMap = { quota: { kind: 'attribute', attribute: 'quota' } };

describe('forwardedOf', () => {
  it('takes values from attributes and leaves out what the entry does not say', () => {
    const map: ForwardMap = {
      uid: { kind: 'attribute', attribute: 'uidNumber' },
      gid: { kind: 'attribute', attribute: 'gidNumber' },
    };

    expect(forwarded(map, { uidnumber: '5000' })).toEqual({ uid: '5000' });
  });

  it('fills templates from the account name and the entry', () => {
    expect(forwarded(template('/mail/%d/%n/%u'))).toEqual({
      home: '/mail/example.org/alice/alice@example.org',
    });
    expect(forwarded(template('%{store}/%n'), { store: '/srv' })).toEqual({ home: '/srv/alice' });
    expect(forwarded(template('/constant'))).toEqual({ home: '/constant' });
  });

  it('leaves out a template that can only be filled in part', () => {
    expect(forwarded(template('%{store}/%n'))).toEqual({});
    expect(forwarded(template('/mail/%d/%n'), {}, 'alice')).toEqual({});
  });

  it('does not read what an entry holds as a placeholder', () => {
    expect(forwarded(template('%{store}/%n'), { store: '%u%{x}' })).toEqual({ home: '%u%{x}/alice' });
  });

  it.each([
    ['10485760', '10485760'],
    ['10485760S,1000C', '10485760'],
    ['1000C,10485760S', '10485760'],
    ['1000C', '0'],
    ['10M', '10485760'],
    ['2GiB', '2147483648'],
    ['1 KB', '1024'],
    ['0', '0'],
    ['-1', '0'],
    ['', '0'],
    ['9007199254740993', '9007199254740993'],
  ])('forwards the quota %j as %s octets', (quota, octets) => {
    expect(forwarded(QUOTA, { quota })).toEqual({ quota: octets });
  });

  it('forwards a missing quota as 0, unlimited', () => {
    expect(forwarded(QUOTA)).toEqual({ quota: '0' });
  });

  it.each(['10X', 'unlimited', '1.5G', 'S'])('calls the quota %s a fault of the directory', (quota) => {
    expect(() => forwarded(QUOTA, { quota })).toThrow(expect.objectContaining({ reason: 'directoryFault' }));
  });

  it.each(['/a\tb', '/a\r\nb', '/a\0b', '/a\x7fb'])('does not forward control characters: %j', (home) => {
    expect(() => forwarded({ home: { kind: 'attribute', attribute: 'home' } }, { home })).toThrow(
      expect.objectContaining({ reason: 'directoryFault' }),
    );
  });
});
