import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MessageCutter } from '../../../auth/ldap/message-cutter.ts';
import { extendedResponse, searchDone, searchEntry } from './scripted-ldap.ts';

const HUGE = searchEntry(7, 'uid=a', { mail: ['x'.repeat(1_100_000)] });

function cutAll(cutter: MessageCutter, received: readonly Buffer[]) {
  const cuts: unknown[] = [];
  for (const piece of received) {
    cutter.add(piece);
    for (let cut = cutter.next(); cut !== undefined; cut = cutter.next()) cuts.push(cut);
  }
  return cuts;
}

function pieces(octets: Buffer, at: readonly number[]): Buffer[] {
  const ends = [...new Set([...at.map((place) => place % octets.length), octets.length])].toSorted(
    (a, b) => a - b,
  );
  return ends.map((end, index) => octets.subarray(ends[index - 1] ?? 0, end));
}

describe('MessageCutter', () => {
  it('skips an entry that is too long, however it comes, and goes on behind it', () => {
    const before = searchDone(6, 0);
    const behind = searchDone(7, 0);
    const all = Buffer.concat([before, HUGE, behind]);
    const place = fc.oneof(fc.nat({ max: 64 }), fc.nat({ max: all.length }));

    fc.assert(
      fc.property(fc.array(place, { maxLength: 6 }), (places) => {
        const cutter = new MessageCutter();
        expect(cutAll(cutter, pieces(all, places))).toEqual([before, { kind: 'oversized', id: 7 }, behind]);
        expect(cutter.isWithin).toBe(false);
      }),
      { numRuns: 50 },
    );
  });

  it('refuses a long message that is no entry, and one that no server would send', () => {
    const long = extendedResponse(1, 0);
    // The length of the envelope, in four octets.
    const claimed = (octets: Buffer, length: number) => {
      const head = Buffer.from([0x30, 0x84, 0, 0, 0, 0]);
      head.writeUInt32BE(length, 2);
      return Buffer.concat([head, octets.subarray(2), Buffer.alloc(20)]);
    };

    expect(() => cutAll(new MessageCutter(), [claimed(long, 2_000_000)])).toThrow(
      'message of 2000006 octets',
    );
    expect(() => cutAll(new MessageCutter(), [claimed(HUGE.subarray(3), 100_000_000)])).toThrow(
      'message of 100000006 octets',
    );
  });
});
