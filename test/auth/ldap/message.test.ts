import fc from 'fast-check';
import { BerWriter } from 'ldapts';
import { describe, expect, it } from 'vitest';
import { BerError, ElementReader, elementOctets } from '../../../auth/ldap/ber.ts';
import { readLdapMessage } from '../../../auth/ldap/message.ts';
import { bindResponse, searchDone, searchEntry } from './scripted-ldap.ts';

describe('elementOctets', () => {
  it.each([
    ['', undefined],
    ['30', undefined],
    ['3003', 5],
    ['308180', 131],
    ['3082ffff', 65539],
    ['3084', undefined],
    ['3084000001', undefined],
    ['308400000001', 7],
  ])('reads the length of an element that begins with %j as %s', (hex, octets) => {
    expect(elementOctets(Buffer.from(hex, 'hex'))).toBe(octets);
  });

  it.each(['3080', '30850000000001', '1f01', '30ff'])('refuses the header %s', (hex) => {
    expect(() => elementOctets(Buffer.from(hex, 'hex'))).toThrow(BerError);
  });
});

describe('ElementReader', () => {
  it('refuses an element that is longer than what holds it', () => {
    expect(() => new ElementReader(9).read(Buffer.from('0a010087050000', 'hex'))).toThrow(BerError);
  });
});

describe('readLdapMessage', () => {
  it('takes no entry of too many elements, however they are nested, and says whose it is', () => {
    const values = (count: number) => Array.from({ length: count }, () => '');
    const flat = searchEntry(1, 'uid=a', { mail: values(11_000) });
    const nested = searchEntry(
      1,
      'uid=a',
      Object.fromEntries(Array.from({ length: 11 }, (_, at) => [`a${at}`, values(1000)])),
    );

    expect(readLdapMessage(searchEntry(1, 'uid=a', { mail: values(9900) }))).toMatchObject({ kind: 'entry' });
    expect(readLdapMessage(flat)).toEqual({ kind: 'oversized', id: 1 });
    expect(readLdapMessage(nested)).toEqual({ kind: 'oversized', id: 1 });
  });

  it('reads an entry, with attribute names in lower case', () => {
    const message = readLdapMessage(
      searchEntry(7, 'uid=alice', { mailHost: ['a', 'b'], 'CN;lang-de': ['ä'] }),
    );

    expect(message).toEqual({
      kind: 'entry',
      id: 7,
      entry: {
        dn: 'uid=alice',
        attributes: new Map([
          ['mailhost', ['a', 'b']],
          ['cn;lang-de', ['ä']],
        ]),
      },
    });
  });

  it('reads a result with its code and words', () => {
    expect(readLdapMessage(searchDone(300, 51, 'busy'))).toEqual({
      kind: 'result',
      id: 300,
      operation: 'search',
      result: { code: 51, diagnostic: 'busy', policyError: undefined },
    });
  });

  // draft-behera-ldap-password-policy section 6.2
  it.each([
    ['3000', undefined],
    ['3003810101', 1],
    ['3003810100', 0],
    ['3005a003800101', undefined],
    ['3005a003810105', undefined],
    ['3008a003810105810102', 2],
  ])('reads the password policy control %s as error %s', (control, policyError) => {
    const message = readLdapMessage(bindResponse(1, 49, { policyControl: Buffer.from(control, 'hex') }));

    expect(message).toMatchObject({ kind: 'result', result: { code: 49, policyError } });
  });

  it('refuses what no server sends', () => {
    const writer = new BerWriter();
    writer.startSequence();
    writer.writeInt(1);
    writer.startSequence(0x60);
    writer.endSequence();
    writer.endSequence();

    expect(() => readLdapMessage(writer.buffer)).toThrow(BerError);
  });

  it('ends with a message or a BerError for any octets', () => {
    const real = [searchEntry(1, 'uid=a', { mail: ['a', 'b'] }), searchDone(1, 0), bindResponse(1, 0, {})];
    const broken = fc.tuple(fc.constantFrom(...real), fc.nat(), fc.nat(255)).map(([octets, at, octet]) => {
      const copy = Buffer.from(octets);
      copy[at % copy.length] = octet;
      return copy;
    });

    fc.assert(
      fc.property(fc.oneof(broken, fc.uint8Array().map(Buffer.from)), (octets) => {
        try {
          readLdapMessage(octets);
        } catch (error) {
          expect(error).toBeInstanceOf(BerError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
