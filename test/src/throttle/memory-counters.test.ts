import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Charge, type CounterKind, MemoryCounters } from '../../../src/throttle/counters.ts';

const LIMITS = { address: 4, network: 8, user: 4, userAndAddress: 4, overall: 100 };
const WINDOW_MS = 1000;

function setUp(maxKeys = 100) {
  const clock = { ms: 0 };
  const counters = new MemoryCounters({ limits: LIMITS, windowMs: WINDOW_MS, maxKeys, now: () => clock.ms });
  const take = (id: string, token: number | undefined, limit = LIMITS.user) =>
    counters.take([{ kind: 'user', id, token, limit }]);
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
    expect(counters.size('user')).toBe(1);
  });

  it('take back what was no failure, and nothing twice', () => {
    const { counters, take, drain } = setUp();
    const charge: Charge = { kind: 'user', id: 'ann', token: 1, limit: 4 };
    take('ann', 1);
    take('ann', 2);

    counters.giveBack([charge]);
    counters.giveBack([charge, { ...charge, id: 'nobody' }]);

    expect(drain('ann')).toBe(3);
  });

  it('count all charges of a login or none', () => {
    const { counters, drain } = setUp();
    drain('ann');

    const taken = counters.take([
      { kind: 'address', id: '192.0.2.1', token: 1, limit: 4 },
      { kind: 'user', id: 'ann', token: 1, limit: 4 },
    ]);

    expect(taken).toEqual({ kind: 'full', full: 'user' });
    expect(counters.size('address')).toBe(0);
  });

  it('only look where there is no token', () => {
    const { counters, take, drain } = setUp();

    expect(take('ann', undefined)).toEqual({ kind: 'taken', tallies: [{ count: 0, fresh: false }] });
    expect(counters.size('user')).toBe(0);
    drain('ann');
    expect(take('ann', undefined).kind).toBe('full');
  });

  it('forget the lightest key first, so that new names do not help who guesses at one (A19)', () => {
    const { counters, take, drain } = setUp(100);
    drain('victim');

    for (let name = 0; name < 10_000; name += 1) take(`junk${name}`, 1);

    expect(counters.size('user')).toBe(100);
    expect(take('victim', 99).kind).toBe('full');
  });

  it('never hold more keys than they may, and never a negative count', () => {
    const kinds: readonly CounterKind[] = ['address', 'network', 'user', 'userAndAddress', 'overall'];
    const step = fc.record({
      kind: fc.constantFrom(...kinds),
      id: fc.integer({ min: 0, max: 40 }).map(String),
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

          expect(counts.every((count) => count >= 0 && count <= LIMITS[charge.kind])).toBe(true);
          expect(kinds.every((kind) => counters.size(kind) <= 10)).toBe(true);
        }
      }),
    );
  });
});
