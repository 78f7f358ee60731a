import { saslprep } from '@mongodb-js/saslprep';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_PUNCTUATION, isNameText, type NameOptions, readLoginName } from '../../auth/names.ts';
import { anyText } from './any-text.ts';

const OPTIONS: NameOptions = {
  defaultDomain: undefined,
  lowerCase: true,
  punctuation: DEFAULT_PUNCTUATION,
  latin1Passwords: true,
};

function read(name: string | Buffer, options: Partial<NameOptions> = {}) {
  return readLoginName(Buffer.from(name), { ...OPTIONS, ...options });
}

function slowlyRead(typed: string, lowerCase: boolean): string | undefined {
  const prepare = (name: string) =>
    name
      .split('@')
      .map((part) => (part === '' ? part : saslprep(part, { allowUnassigned: true })))
      .join('@');
  try {
    const prepared = prepare(typed);
    const full = lowerCase ? prepare(prepared.toLowerCase()) : prepared;
    const at = full.lastIndexOf('@');
    const isWhole = at !== 0 && (at === -1 || at < full.length - 1);
    return isWhole && isNameText(full, DEFAULT_PUNCTUATION) ? full : undefined;
  } catch {
    return undefined;
  }
}

describe('readLoginName', () => {
  it('splits a name at its last @', () => {
    expect(read('a@b@example.org')).toEqual({
      full: 'a@b@example.org',
      localPart: 'a@b',
      domain: 'example.org',
    });
  });

  it('leaves a name without a domain alone where there is no default', () => {
    expect(read('alice')).toEqual({ full: 'alice', localPart: 'alice', domain: undefined });
  });

  it('appends the default domain to a name that has none', () => {
    expect(read('alice', { defaultDomain: 'example.org' })?.full).toBe('alice@example.org');
    expect(read('alice@example.net', { defaultDomain: 'example.org' })?.full).toBe('alice@example.net');
  });

  it('lower-cases only where asked', () => {
    expect(read('ÄLICE')?.full).toBe('älice');
    expect(read('Alice', { lowerCase: false })?.full).toBe('Alice');
  });

  it('M10 takes composed and decomposed letters for the same name', () => {
    expect(read('zoe\u0308')?.full).toBe('zo\u00eb');
  });

  // RFC 4013 section 3, and what else PROTOCOL 1 says of names.
  it.each([
    ['I\u00adX', 'ix'],
    ['\u2168', 'ix'],
    ['\u00aa', 'a'],
    ['\uff21\uff4e\uff4e', 'ann'],
    ['ann\uff20example.org', 'ann@example.org'],
    ['\u05d0\u05d1@example.org', '\u05d0\u05d1@example.org'],
  ])('prepares %j, so that names that look the same are the same', (typed, full) => {
    expect(read(typed)?.full).toBe(full);
  });

  it('prepares every name as if all of it were prepared, before and behind lower case', () => {
    const character = fc.constantFrom(
      ...'aZ0.~!@ ',
      ...'\u00aa\u00ad\u0130\u03a3\u05d0\u05d1\u0661\u2168\uff20\uff21\u0308\u200d',
    );
    const name = fc.oneof(
      fc.array(character, { maxLength: 8 }).map((all) => all.join('')),
      anyText(6),
    );
    fc.assert(
      fc.property(name, fc.boolean(), (typed, lowerCase) => {
        expect(read(typed, { lowerCase })?.full).toBe(slowlyRead(typed, lowerCase));
      }),
      { numRuns: 500 },
    );
  });

  it('takes letters that are newer than RFC 3454', () => {
    expect(read('\u1c90\u{10570}')?.full).toBe('\u10d0\u{10597}');
  });

  describe('with other names of a domain', () => {
    const domainAliases = new Map([['old.example.org', 'example.org']]);

    it('gives the domain', () => {
      expect(read('Ann@OLD.example.org', { domainAliases })?.full).toBe('ann@example.org');
      expect(read('Ann@OLD.example.org', { domainAliases, lowerCase: false })?.full).toBe('Ann@example.org');
      expect(read('ann', { domainAliases, defaultDomain: 'old.example.org' })?.full).toBe('ann@example.org');
    });

    it('leaves other domains, and names without one, alone', () => {
      expect(read('ann@new.example.org', { domainAliases })?.full).toBe('ann@new.example.org');
      expect(read('old.example.org', { domainAliases })?.full).toBe('old.example.org');
    });
  });

  describe('with other separators than @', () => {
    const options = { domainSeparators: '%#', defaultDomain: 'example.net' };

    it.each([
      ['ann%example.org', 'ann@example.org'],
      ['ann#example.org', 'ann@example.org'],
      ['ann', 'ann@example.net'],
      ['ann@example.org', 'ann@example.org'],
    ])('reads %s as %s', (typed, full) => {
      expect(read(typed, options)?.full).toBe(full);
    });

    it.each(['ann%m@example.org', 'ann%m%example.org', '%example.org', 'ann%', 'ann*example.org'])(
      'refuses %s',
      (typed) => {
        expect(read(typed, options)).toBeUndefined();
      },
    );
  });

  it.each(["o'neil", 'a+tag@example.org', 'first.last', 'x-y_z', 'a&b=c~d', '用户@例子'])(
    'takes %s',
    (name) => {
      expect(read(name)?.full).toBe(name);
    },
  );

  // FAULTS A9 to A11.
  it.each([
    ['nothing', ''],
    ['a wildcard', 'a*'],
    ['a master user separator', 'victim*proxymaster'],
    ['a percent sign', 'victim%m'],
    ['filter syntax', ')(uid=*'],
    ['an escaped wildcard', '\\2a'],
    ['a fullwidth asterisk', '\uff0a'],
    ['CR and LF', 'a\r\nb LOGIN x y'],
    ['NUL', 'a\0b'],
    ['TAB', 'a\tb'],
    ['DEL', 'a\x7f'],
    ['a line separator', 'a\u2028b'],
    ['a bidirectional override', 'a\u202eb'],
    ['a zero width space', 'a\u200bb'],
    ['letters of both directions of writing in one part', 'a\u05d0b@example.org'],
    ['nothing that can be seen', '\u00ad'],
    ['a trailing space', 'alice '],
    ['a slash', '../alice'],
    ['a comma', 'cn=x,dc=y'],
    ['no local part', '@example.org'],
    ['no domain behind the @', 'alice@'],
  ])('refuses a name with %s', (_, name) => {
    expect(read(name)).toBeUndefined();
  });

  it('X7 refuses octets that are not UTF-8', () => {
    expect(read(Buffer.from([0x61, 0x80]))).toBeUndefined();
    expect(read(Buffer.from([0xc0, 0xaf]))).toBeUndefined();
  });

  it('takes 255 octets and no more, with the default domain', () => {
    expect(read('a'.repeat(255))).toBeDefined();
    expect(read('a'.repeat(256))).toBeUndefined();
    expect(read('a'.repeat(250), { defaultDomain: 'example.org' })).toBeUndefined();
  });

  it('A10 A11 never takes separators and control characters, even if the punctuation lists them', () => {
    const punctuation = '*%\t\0 ';

    expect(read('a b', { punctuation })).toBeDefined();
    for (const name of ['a*', 'a%b', 'a\tb', 'a\0b']) {
      expect(read(name, { punctuation })).toBeUndefined();
    }
  });

  it('gives a name that reads as itself again, whatever was typed', () => {
    fc.assert(
      fc.property(anyText(), (typed) => {
        const name = read(typed);

        expect(name === undefined || read(name.full)?.full === name.full).toBe(true);
      }),
    );
  });
});

describe('isNameText', () => {
  it('judges names from the directory by the same characters', () => {
    expect(isNameText('alice@example.org', '.@')).toBe(true);
    expect(isNameText('alice*master', '.@*')).toBe(false);
    expect(isNameText('', '.@')).toBe(false);
  });
});
