import { describe, expect, it } from 'vitest';
import { Ways } from '../../src/routing/ways.ts';

describe('Ways', () => {
  it('leaves from each source in turn, of the family that is gone to', () => {
    const ways = new Ways(['192.0.2.1', '192.0.2.2', '2001:db8::1']);

    const taken = [ways.from(4), ways.from(4), ways.from(4), ways.from(4)];

    expect(new Set(taken)).toEqual(new Set(['192.0.2.1', '192.0.2.2']));
    expect(taken[0]).toBe(taken[2]);
    expect(taken[0]).not.toBe(taken[1]);
    expect(ways.from(6)).toBe('2001:db8::1');
  });

  it('leaves the source to the system where none is named', () => {
    expect(new Ways().from(4)).toBeUndefined();
    expect(new Ways(['192.0.2.1']).from(6)).toBeUndefined();
  });
});
