import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LdifError, parseLdif } from '../../../auth/ldif/parser.ts';
import { anyText } from '../any-text.ts';

function parse(text: string) {
  return parseLdif(Buffer.from(text)).map(({ dn, attributes }) => ({
    dn,
    ...Object.fromEntries(attributes),
  }));
}

describe('parseLdif', () => {
  // RFC 2849, example 1.
  it('reads entries of several values', () => {
    const text = [
      'version: 1',
      'dn: cn=Barbara Jensen, ou=Product Development, dc=airius, dc=com',
      'objectclass: top',
      'objectclass: person',
      'cn: Barbara Jensen',
      'telephonenumber: +1 408 555 1212',
      '',
      'dn: cn=Bjorn Jensen, ou=Accounting, dc=airius, dc=com',
      'objectclass: top',
      'cn: Bjorn Jensen',
      '',
    ].join('\n');

    expect(parse(text)).toEqual([
      {
        dn: 'cn=Barbara Jensen, ou=Product Development, dc=airius, dc=com',
        objectclass: ['top', 'person'],
        cn: ['Barbara Jensen'],
        telephonenumber: ['+1 408 555 1212'],
      },
      {
        dn: 'cn=Bjorn Jensen, ou=Accounting, dc=airius, dc=com',
        objectclass: ['top'],
        cn: ['Bjorn Jensen'],
      },
    ]);
  });

  // RFC 2849, examples 2 and 3.
  it('unfolds lines and decodes base64', () => {
    const text =
      'dn: cn=Gern,dc=airius,dc=com\ndescription:Babs is a big sailing fan, and travels\n  extensively.\nother:: VmVyeSBs\n b25n\n';

    expect(parse(text)).toEqual([
      {
        dn: 'cn=Gern,dc=airius,dc=com',
        description: ['Babs is a big sailing fan, and travels extensively.'],
        other: ['Very long'],
      },
    ]);
  });

  // RFC 2849, example 4.
  it('reads a DN in base64, attribute options, and comments that are folded', () => {
    const text = [
      'dn:: b3U95Za25qWt6YOoLG89QWlyaXVz',
      '# dn:: ou=<JapaneseOU>,o=Airius, a comment',
      ' that goes on',
      'OU;Lang-JA:: 5Za25qWt6YOo',
      'ou: Sales',
    ].join('\r\n');

    expect(parse(text)).toEqual([{ dn: 'ou=営業部,o=Airius', 'ou;lang-ja': ['営業部'], ou: ['Sales'] }]);
  });

  it('takes attribute names in any case for the same', () => {
    expect(parse('dn: o=x\nMAIL: a\nmail: b\n')).toEqual([{ dn: 'o=x', mail: ['a', 'b'] }]);
  });

  it('takes no entries from an empty file, and from one with nothing but a version and comments', () => {
    expect(parse('')).toEqual([]);
    expect(parse('version: 1\n\n# nothing\n\n\n')).toEqual([]);
  });

  it.each([
    ['dn: o=x\nmail alice\n', 2, 'expected'],
    ['dn: o=x\n: alice\n', 2, 'expected'],
    ['dn: o=x\n\nuid: a\n', 3, 'begins with "dn:"'],
    ['# c\n\n dn: o=x\n', 3, 'none is before'],
    ['dn: o=x\njpegphoto:< file:///etc/passwd\n', 2, 'URLs'],
    ['dn: o=x\ncn: folded\n  once\n  twice\ncn:: ***\n', 5, 'no base64'],
    ['dn: o=x\nchangetype: add\nuid: a\n', 2, '"changetype:"'],
    ['dn: o=x\ncn:: gA==\n', 2, 'no UTF-8'],
    ['dn: o=x\nuid: a\ndn: o=y\n', 3, '"dn:" has no place'],
    ['version: 2\n', 1, 'version 2'],
    [`dn: o=x\ncn: ${'x'.repeat(1024 * 1024)}\n`, 2, 'octets'],
  ])('says in which line the fault of %j is', (text, line, why) => {
    expect(() => parse(text)).toThrow(LdifError);
    expect(() => parse(text)).toThrow(
      expect.objectContaining({ line, message: expect.stringContaining(why) }),
    );
  });

  it('refuses octets that are not UTF-8', () => {
    expect(() => parseLdif(Buffer.from('dn: o=x\ncn: \x80\n', 'latin1'))).toThrow(
      'line 2: the value is no UTF-8',
    );
  });

  it('reads the same from a file folded anywhere, with any line end, as base64 or not', () => {
    const safe = /^[^\p{Cc} :<][^\p{Cc}]*$/u;
    const value = anyText(30).filter((text) => text !== '');
    const record = fc.array(fc.tuple(fc.constantFrom('cn', 'mail', 'uid'), value, fc.boolean()), {
      maxLength: 5,
    });
    const file = fc.tuple(
      fc.array(record, { maxLength: 4 }),
      fc.constantFrom('\n', '\r\n'),
      fc.infiniteStream(fc.nat(7)),
    );

    fc.assert(
      fc.property(file, ([records, newline, widths]) => {
        const fold = (line: string): string => {
          const octets = Buffer.from(line);
          const parts: Buffer[] = [];
          for (let at = 0; at < octets.length; ) {
            const width = 1 + (widths.next().value ?? 0);
            parts.push(octets.subarray(at, at + width));
            at += width;
          }
          return parts.map((part) => part.toString('latin1')).join(`${newline} `);
        };
        const write = (name: string, text: string, encoded: boolean): string =>
          encoded || !safe.test(text)
            ? `${name}:: ${Buffer.from(text).toString('base64')}`
            : `${name}: ${text}`;
        const lines = records.flatMap((pairs, at) => [
          `dn: o=${at}`,
          ...pairs.map(([name, text, encoded]) => write(name, text, encoded)),
          '',
        ]);

        const found = parseLdif(Buffer.from(lines.map(fold).join(newline), 'latin1'));

        expect(found.map((entry) => entry.dn)).toEqual(records.map((_, at) => `o=${at}`));
        for (const [at, pairs] of records.entries()) {
          for (const name of ['cn', 'mail', 'uid']) {
            const written = pairs.filter(([other]) => other === name).map(([, text]) => text);
            expect(found[at]?.attributes.get(name) ?? []).toEqual(written);
          }
        }
      }),
    );
  });

  it('ends with entries or an LdifError for any octets', () => {
    const line = fc.constantFrom('dn: o=x', '', ' ', ':', 'a::', 'a: b', '#', 'version: 1', '\r', '\x80');
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        try {
          parseLdif(Buffer.from(lines.join('\n'), 'latin1'));
        } catch (error) {
          expect(error).toBeInstanceOf(LdifError);
        }
      }),
    );
  });
});
