import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ThrottleSettings } from '../../../src/throttle/settings.ts';
import { MINUTE_MS, SETTINGS, setUp } from '../../support/throttled-logins.ts';

describe('a user who logged in lately', () => {
  const HOME = '192.0.2.80';

  async function known(changes: Partial<ThrottleSettings> = {}) {
    const made = setUp(changes);
    await made.login({ from: HOME, as: 'ann@example.org>ann', by: 'right', result: 'ok' });
    return made;
  }

  it('is let in at his address while others guess at him from everywhere (A19)', async () => {
    const { guesses, login } = await known();
    await guesses((count) => ({ from: `198.51.100.${count}`, as: 'ann', by: `p${count}` }));

    for (const as of ['ann', 'ann@example.org>ann']) {
      expect(await login({ from: HOME, as, by: 'right', result: 'ok' })).toMatchObject({ ended: 'ok' });
    }
    expect(await login({ from: '192.0.2.81', as: 'ann', by: 'right', result: 'ok' })).toMatchObject({
      ended: 'throttled',
    });
  });

  it('is let in while others guess at others from his very address (A19)', async () => {
    const { guesses, login } = await known();
    await guesses((count) => ({ from: HOME, as: `user${count}`, by: 'p' }));

    expect(await login({ from: HOME, as: 'ann', by: 'right', result: 'ok' })).toMatchObject({ ended: 'ok' });
    expect(await login({ from: HOME, as: 'bob', by: 'right', result: 'ok' })).toMatchObject({
      ended: 'throttled',
    });
  });

  it('may guess a little more there, but not without end', async () => {
    const { guesses } = await known();

    expect(await guesses((count) => ({ from: HOME, as: 'ann', by: `p${count}` }))).toBe(6);
  });

  it('is known for a time', async () => {
    const { clock, guesses } = await known();
    clock.ms += SETTINGS.knownForMs;

    expect(await guesses((count) => ({ from: HOME, as: 'ann', by: `p${count}` }))).toBe(4);
  });

  it('always passes with the right password, whatever others do (A19)', async () => {
    const other = fc.record({
      from: fc.constantFrom(HOME, '198.51.100.1', '198.51.100.2', '2001:db8::1', '203.0.113.7'),
      as: fc.constantFrom('bob', 'eve', 'nobody', 'ann', 'ann@example.org>ann'),
      by: fc.integer({ min: 0, max: 30 }).map((guess) => `p${guess}`),
      waitMs: fc.integer({ min: 0, max: MINUTE_MS }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(other, { maxLength: 150 }), async (others) => {
        const { clock, login } = await known({ overall: 20 });
        for (const { waitMs, ...attempt } of others) {
          clock.ms += waitMs;
          // From his own address nobody else guesses at him.
          if (attempt.from !== HOME || !attempt.as.startsWith('ann')) await login(attempt);
        }

        expect(await login({ from: HOME, as: 'ann', by: 'right', result: 'ok' })).toMatchObject({
          ended: 'ok',
        });
      }),
      { numRuns: 50 },
    );
  });
});

describe('an address where users are known', () => {
  const OFFICE = '192.0.2.80';

  async function office(users: number, changes: Partial<ThrottleSettings> = {}, from = OFFICE) {
    const made = setUp({ maxKeys: 10_000, ...changes });
    for (let user = 0; user < users; user += 1) {
      await made.login({ from, as: `user${user}@example.org>user${user}`, by: 'right', result: 'ok' });
    }
    return made;
  }

  it('lets an office of 200 in whose clients all have their old passwords (A20)', async () => {
    const { clock, login } = await office(200);
    for (let minute = 0; minute < 60; minute += 1) {
      for (let user = 0; user < 200; user += 1) {
        const old = await login({ from: OFFICE, as: `user${user}`, by: `old password of ${user}` });
        expect(old.ended).toBe('wrongPassword');
      }
      const visitor = await login({ from: OFFICE, as: 'visitor', by: 'right', result: 'ok' });
      expect(visitor.ended).toBe('ok');
      clock.ms += MINUTE_MS;
    }
  });

  it('has two failures more for each account, whatever its names, and never more than ten times as many (A19)', async () => {
    const spray = async (accounts: number, from?: string) => {
      const { guesses } = await office(accounts, { perUser: 1000 }, from);
      return await guesses((count) => ({ from: from ?? OFFICE, as: `victim${count}`, by: 'summer' }));
    };
    const { guesses, login } = await office(1);
    for (let alias = 0; alias < 50; alias += 1) {
      await login({ from: OFFICE, as: `alias${alias}>user0`, by: 'right', result: 'ok' });
    }

    expect(await guesses((count) => ({ from: OFFICE, as: `victim${count}`, by: 'summer' }))).toBe(32);
    expect([await spray(0), await spray(5), await spray(135), await spray(500)]).toEqual([30, 40, 300, 300]);
  });

  it('gives a /48 no more for an account that is known at many of its addresses (A19)', async () => {
    const { guesses, login } = setUp();
    for (let at = 0; at < 100; at += 1) {
      await login({ from: `2001:db8:1:${at}::1`, as: 'eve', by: 'right', result: 'ok' });
    }

    const tries = await guesses((count) => ({ from: `2001:db8:1:${count}::1`, as: `u${count}`, by: 'p' }));

    expect(tries).toBe(122);
  });

  it('has them no longer than the accounts are known', async () => {
    const { clock, guesses } = await office(10);
    clock.ms += SETTINGS.knownForMs;

    expect(await guesses((count) => ({ from: OFFICE, as: `victim${count}`, by: 'summer' }))).toBe(30);
  });

  it('answers as soon as where strangers have failed as often, for what they may', async () => {
    const { login } = await office(135);
    const delays: number[] = [];
    for (let user = 0; user < 25; user += 1) {
      delays.push((await login({ from: OFFICE, as: `user${user}`, by: `old ${user}` })).delayMs);
    }

    expect([delays[9], delays[10], delays[20]]).toEqual([2000, 4000, 8000]);
  });
});
