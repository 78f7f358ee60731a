import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBase64, decodeUnpadded } from '../../auth/base64.ts';

describe('decodeBase64', () => {
  it('gives back what was encoded', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (octets) => {
        expect(decodeBase64(Buffer.from(octets).toString('base64'))).toEqual(Buffer.from(octets));
      }),
    );
  });

  it.each([
    '=AAA',
    'AAA=BBB',
    'A',
    'AA',
    'AAA',
    'AA==A',
    'AA AA',
    'A-_A',
    'AAAA\n',
    'AB==',
    'AAB=',
    '====',
    'é',
  ])('refuses %j', (text) => {
    expect(decodeBase64(text)).toBeUndefined();
  });
});

describe('decodeUnpadded', () => {
  it.each(['', 'AA', 'AAA', 'AAAA'])('reads %j with and without its padding', (text) => {
    const padded = text.padEnd(Math.ceil(text.length / 4) * 4, '=');

    expect(decodeUnpadded(text)).toEqual(Buffer.from(text, 'base64'));
    expect(decodeUnpadded(padded)).toEqual(Buffer.from(text, 'base64'));
  });

  it.each(['A', 'AB', 'AA=A', '='])('refuses %j', (text) => {
    expect(decodeUnpadded(text)).toBeUndefined();
  });
});
