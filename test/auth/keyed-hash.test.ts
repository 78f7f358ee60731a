import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyedHash } from '../../auth/keyed-hash.ts';

describe('a keyed hash', () => {
  it('is the same for the same parts, as text or as octets, and no other object makes it', () => {
    const keyed = new KeyedHash();

    expect(keyed.of('zo\u00eb', 'x')).toEqual(keyed.of(Buffer.from('zo\u00eb'), 'x'));
    expect(keyed.of('zo\u00eb')).toHaveLength(32);
    expect(keyed.of('zo\u00eb')).not.toEqual(new KeyedHash().of('zo\u00eb'));
  });

  it('differs for parts that differ, also where together they are the same octets', () => {
    const keyed = new KeyedHash();
    const parts = fc.array(fc.constantFrom('', 'a', 'aa', '\0', '\0\0\0\u0001', 'a\0'), { maxLength: 4 });
    fc.assert(
      fc.property(parts, parts, (some, others) => {
        const same = JSON.stringify(some) === JSON.stringify(others);

        expect(keyed.of(...some).equals(keyed.of(...others))).toBe(same);
      }),
    );
  });
});
