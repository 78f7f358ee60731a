import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Charge, COUNTER_KINDS } from '../../../src/throttle/counters.ts';
import { MemoryCounters } from '../../../src/throttle/memory-counters.ts';

const CAPACITY = 4;
const WINDOW_MS = 1000;
const COUNTED = { kind: 'user', counts: true, capacity: CAPACITY, limit: CAPACITY } as const;

function setUp(maxKeys = 100) {
  const clock = { ms: 0 };
  const counters = new MemoryCounters({ windowMs: WINDOW_MS, maxKeys, now: () => clock.ms });
  const take = (user: string, token: number | undefined, more: Partial<Charge> = {}) =>
    counters.take([{ ...COUNTED, user, token, ...more }]);
  /** Takes until there is no more to have, and says how many that were. */
  const drain = (id: string, most = 10): number => {
    for (let count = 0; count < most; count += 1) {
      if (take(id, 1000 + clock.ms * 100 + count).kind === 'full') return count;
    }
    return most;
  };
  return { clock, counters, take, drain };
}

describe('the counters in memory', () => {
  it('count different tries up to the limit', () => {
    const { take } = setUp();

    expect([1, 2, 3, 4, 5].map((token) => take('ann', token).kind)).toEqual([
      'taken',
      'taken',
      'taken',
      'taken',
      'full',
    ]);
  });

  it('count the same try once, and let it pass where no other one may', () => {
    const { take, drain } = setUp();
    take('ann', 1);

    for (let again = 0; again < 100; again += 1) {
      expect(take('ann', 1)).toEqual({ kind: 'taken', tallies: [{ count: 1, fresh: false }] });
    }
    expect(drain('ann')).toBe(3);
    expect(take('ann', 1).kind).toBe('taken');
  });

  it('let failures fade, one after the other', () => {
    const { clock, drain } = setUp();

    const first = drain('ann');
    clock.ms += WINDOW_MS / 4;
    const afterQuarter = drain('ann');
    clock.ms += WINDOW_MS / 2;
    const afterHalf = drain('ann');
    clock.ms += WINDOW_MS;

    expect([first, afterQuarter, afterHalf, drain('ann')]).toEqual([4, 1, 2, 4]);
  });

  it('remember a try for as long as it is repeated', () => {
    const { clock, counters, take } = setUp();
    take('ann', 1);

    for (let minute = 0; minute < 60; minute += 1) {
      clock.ms += WINDOW_MS * 0.9;
      expect(take('ann', 1)).toMatchObject({ tallies: [{ fresh: false }] });
    }
    expect(counters.sizes().get('user')).toBe(1);
  });

  it('take back what was no failure, and nothing twice', () => {
    const { counters, take, drain } = setUp();
    const charge: Charge = { ...COUNTED, user: 'ann', token: 1 };
    take('ann', 1);
    take('ann', 2);

    counters.giveBack([charge]);
    counters.giveBack([charge, { ...charge, user: 'nobody' }]);

    expect(drain('ann')).toBe(3);
  });

  it('keep nothing of a key that is given back all, so that it displaces no other (A19)', () => {
    const { counters, take } = setUp(100);
    take('victim', 1);
    for (let name = 0; name < 1000; name += 1) {
      take(`junk${name}`, undefined);
      counters.giveBack([{ ...COUNTED, user: `junk${name}`, token: undefined }]);
    }

    expect(counters.sizes().get('user')).toBe(1);
    expect(take('victim', 1)).toMatchObject({ tallies: [{ fresh: false }] });
  });

  it('count all charges of a login or none', () => {
    const { counters, drain } = setUp();
    drain('ann');

    const taken = counters.take([
      { ...COUNTED, kind: 'address', place: '192.0.2.1', token: 1 },
      { ...COUNTED, user: 'ann', token: 1 },
    ]);

    expect(taken).toEqual({ kind: 'full', full: 'user' });
    expect(counters.sizes().get('address')).toBe(0);
  });

  it('count what nothing tells from another try each time, and give back one', () => {
    const { counters, take, drain } = setUp();
    take('ann', undefined);
    take('ann', undefined);

    counters.giveBack([{ ...COUNTED, user: 'ann', token: undefined }]);

    expect(drain('ann')).toBe(3);
  });

  it('fade by as much as the key has room for, and remember as many tries', () => {
    const { clock, take } = setUp();
    const more = { capacity: 200, limit: 200 };
    for (let token = 0; token < 200; token += 1) take('office', token, more);

    expect(take('office', 0, more)).toEqual({ kind: 'taken', tallies: [{ count: 200, fresh: false }] });
    expect(take('office', 999, more).kind).toBe('full');
    clock.ms += WINDOW_MS / 4;

    expect(take('office', 999, more)).toMatchObject({ tallies: [{ count: 151, fresh: true }] });
  });

  it('show and forget all that is of a user, or of an address', () => {
    const { counters } = setUp();
    const pair = { kind: 'userAndAddress', token: 1 } as const;
    counters.take([
      { ...COUNTED, user: 'ann', token: 1 },
      { ...COUNTED, ...pair, user: 'ann', place: '192.0.2.1' },
      { ...COUNTED, ...pair, user: 'bob', place: '192.0.2.1' },
      { ...COUNTED, kind: 'address', place: '192.0.2.1', token: 1 },
    ]);

    expect(counters.list({ user: 'ann' })).toEqual([
      { kind: 'user', user: 'ann', count: 1, capacity: 4 },
      { kind: 'userAndAddress', user: 'ann', place: '192.0.2.1', count: 1, capacity: 4 },
    ]);
    counters.forget({ user: 'ann' });
    expect(counters.list({ user: 'ann' })).toEqual([]);
    expect(counters.list({ place: '192.0.2.1' })).toHaveLength(2);
    counters.forget({ place: '192.0.2.1' });
    expect([...counters.sizes().values()]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('only look where they are only asked', () => {
    const { counters, take, drain } = setUp();

    const asked = { counts: false };
    expect(take('ann', undefined, asked)).toEqual({ kind: 'taken', tallies: [{ count: 0, fresh: false }] });
    expect(counters.sizes().get('user')).toBe(0);
    drain('ann');
    expect(take('ann', undefined, asked).kind).toBe('full');
    expect(take('ann', 1000, asked).kind).toBe('taken');
  });

  it('forget the lightest key first, so that new names do not help who guesses at one (A19)', () => {
    const { counters, take, drain } = setUp(100);
    drain('victim');

    for (let name = 0; name < 10_000; name += 1) take(`junk${name}`, 1);

    expect(counters.sizes().get('user')).toBe(100);
    expect(take('victim', 99).kind).toBe('full');
  });

  it('never hold more keys than they may, and never a negative count', () => {
    const step = fc.record({
      kind: fc.constantFrom(...COUNTER_KINDS),
      user: fc.integer({ min: 0, max: 40 }).map(String),
      counts: fc.boolean(),
      capacity: fc.constantFrom(4, 8),
      token: fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined }),
      limit: fc.constantFrom(1, 4, Number.POSITIVE_INFINITY),
      back: fc.boolean(),
      waitMs: fc.integer({ min: 0, max: 400 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { clock, counters } = setUp(10);
        for (const { back, waitMs, ...charge } of steps) {
          clock.ms += waitMs;
          if (back) counters.giveBack([charge]);
          const taken = counters.take([charge]);
          const counts = taken.kind === 'taken' ? taken.tallies.map(({ count }) => count) : [];

          expect(counts.every((count) => count >= 0 && count <= 17)).toBe(true);
          expect([...counters.sizes().values()].every((size) => size <= 10)).toBe(true);
        }
      }),
    );
  });
});
