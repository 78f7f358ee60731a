import { describe, expect, it } from 'vitest';
import { MINUTE_MS, password, SETTINGS, setUp } from '../../support/throttled-logins.ts';

describe('the throttle', () => {
  it('stops who guesses one password after the other from one address (A19)', async () => {
    const { guesses } = setUp();

    expect(await guesses((count) => ({ as: 'ann', by: `p${count}` }))).toBe(4);
  });

  it('stops who tries one password on everybody from one address (A19)', async () => {
    const { guesses } = setUp();

    expect(await guesses((count) => ({ as: `user${count}`, by: 'summer' }))).toBe(30);
  });

  it('stops guesses at one user from many addresses (A19)', async () => {
    const { guesses } = setUp();

    expect(await guesses((count) => ({ from: `198.51.100.${count}`, as: 'ann', by: `p${count}` }))).toBe(4);
  });

  it('counts guesses by all names of an account together', async () => {
    const { guesses } = setUp();

    const tries = await guesses((count) => ({
      from: `198.51.100.${count}`,
      as: `alias${count}>ann`,
      by: `p${count}`,
    }));

    expect(tries).toBe(4);
  });

  it('stops names that nobody has, like those that somebody has', async () => {
    const { guesses } = setUp();

    expect(await guesses((count) => ({ as: 'nobody', by: `p${count}`, result: 'unknownUser' }))).toBe(4);
  });

  it('takes a /64 of IPv6 for one address, and stops a /48 whose /64s are many (A19)', async () => {
    const { guesses } = setUp();

    const within64 = await guesses((count) => ({ from: `2001:db8:1:1::${count}`, as: `a${count}`, by: 'p' }));
    const within48 = await guesses((count) => ({
      from: `2001:db8:2:${count.toString(16)}::1`,
      as: `b${count}`,
      by: 'p',
    }));

    expect([within64, within48]).toEqual([30, 120]);
  });

  it('counts the same wrong password once, for hours', async () => {
    const { clock, login } = setUp();

    for (; clock.ms < 4 * 60 * MINUTE_MS; clock.ms += 5 * MINUTE_MS) {
      expect(await login({ as: 'ann', by: 'stale' })).toEqual({ ended: 'wrongPassword', delayMs: 2000 });
    }
    expect(await login({ as: 'ann', by: 'right', result: 'ok' })).toMatchObject({ ended: 'ok' });
  });

  it('counts each proof of a mechanism that sees no password for its user there, three as one elsewhere', async () => {
    const { guesses } = setUp();

    const fromOne = await guesses(() => ({ as: 'ann', by: undefined }));
    const fromMany = await guesses((count) => ({
      from: `198.51.100.${Math.floor(count / 3)}`,
      as: 'bob',
      by: undefined,
    }));
    const ofEverybody = await guesses((count) => ({ from: '192.0.2.9', as: `user${count}`, by: undefined }));

    expect([fromOne, fromMany, ofEverybody]).toEqual([6, 12, 30]);
  });

  it.each([
    { by: 'passwords', hosts: 1, first: 20, later: 16 },
    { by: 'passwords', hosts: 1000, first: 20, later: 16 },
    { by: 'proofs', hosts: 1, first: 30, later: 24 },
    { by: 'proofs', hosts: 1000, first: 60, later: 48 },
  ])(
    'lets nobody guess at one user more often by $by from $hosts addresses than it says (A19)',
    async ({ by, hosts, first, later }) => {
      const { clock, login } = setUp({ maxKeys: 10_000 });
      const hours = [0, 0, 0];
      for (let count = 0; clock.ms < 3 * 60 * MINUTE_MS; count += 1) {
        const hour = Math.floor(clock.ms / (60 * MINUTE_MS));
        // From one address after the other three proofs, so that each costs as little as may be.
        const from = `10.0.${Math.floor((count / 3 / 250) % 4)}.${Math.floor(count / 3) % 250}`;
        const { ended } = await login({
          from: hosts === 1 ? '192.0.2.1' : from,
          as: 'ann',
          by: by === 'passwords' ? `p${count}` : undefined,
        });
        if (ended !== 'throttled') hours[hour] = (hours[hour] ?? 0) + 1;
        clock.ms += 3000;
      }

      expect(hours[0]).toBeLessThanOrEqual(first);
      expect(hours[0]).toBeGreaterThanOrEqual(first - 6);
      expect(Math.max(...hours.slice(1))).toBeLessThanOrEqual(later + 3);
    },
  );

  it('lets an old password that is proved every minute keep its user out nowhere else (A20)', async () => {
    const { clock, login } = setUp();
    for (; clock.ms < 4 * 60 * MINUTE_MS; clock.ms += MINUTE_MS) {
      await login({ as: 'ann', by: undefined });

      for (const by of [undefined, 'right']) {
        const elsewhere = await login({
          from: `198.51.100.${clock.ms / MINUTE_MS}`,
          as: 'ann',
          by,
          result: 'ok',
        });
        expect(elsewhere.ended).toBe('ok');
      }
    }
  });

  it('does not count failures that are nobody’s guess', async () => {
    const { guesses } = setUp();

    for (const result of ['directoryDown', 'disabled', 'nodeUnreachable', 'expired'] as const) {
      expect(await guesses((count) => ({ as: 'ann', by: `p${count}`, result }), 50)).toBe(50);
    }
  });

  it('counts who leaves before the answer: the directory may have counted him', async () => {
    const { guesses } = setUp();

    expect(await guesses((count) => ({ as: 'ann', by: `p${count}`, result: 'abandoned' }))).toBe(4);
  });

  it('gives guesses that come together no more tries than others', async () => {
    const { throttle } = setUp();
    const watches = Array.from({ length: 100 }, (_, count) =>
      throttle.watch('192.0.2.1', password(`p${count}`)),
    );

    const admitted = await Promise.allSettled(watches.map((watch) => watch.admit('ann')));

    expect(admitted.filter(({ status }) => status === 'fulfilled')).toHaveLength(4);
  });

  it('lets a client open many connections with one password at once', async () => {
    const { throttle } = setUp();
    const watches = Array.from({ length: 100 }, () => throttle.watch('192.0.2.1', password('right')));

    await Promise.all(
      watches.map(async (watch) => {
        await watch.admit('ann');
        await watch.end({ result: 'ok', who: 'ann' });
      }),
    );

    expect(await throttle.store.list({ user: 'ann' })).toEqual([]);
  });

  it('lets a whole office come back at the same time, by whatever mechanism', async () => {
    const { throttle } = setUp();
    const watches = Array.from({ length: 500 }, (_, count) => {
      const watch = throttle.watch('192.0.2.1', count % 2 ? password(`p${count}`) : { kind: 'proved' });
      return { watch, user: `user${Math.floor(count / 10)}` };
    });

    await Promise.all(
      watches.map(async ({ watch, user }, count) => {
        await watch.admit(count % 2 ? `${user}${count}` : user);
        await watch.end({ result: 'ok', who: user });
      }),
    );

    expect((await throttle.state()).keys.get('address')).toBe(0);
  });

  it('refuses a right proof too where guesses are refused: it may be one', async () => {
    const { guesses, throttle } = setUp();
    await guesses(() => ({ as: 'ann', by: undefined }));

    await expect(throttle.watch('192.0.2.1', { kind: 'proved' }).admit('ann')).rejects.toMatchObject({
      reason: 'throttled',
    });
  });

  it('forgets failures little by little', async () => {
    const { clock, guesses } = setUp();
    const tries = () => guesses((count) => ({ as: 'ann', by: `p${clock.ms} ${count}` }));

    const first = await tries();
    clock.ms += SETTINGS.windowMs / 4;
    const later = await tries();
    clock.ms += SETTINGS.windowMs;

    expect([first, later, await tries()]).toEqual([4, 1, 4]);
  });

  it('answers failures of one address later each time, and refusals latest', async () => {
    const { login } = setUp();
    const delays: number[] = [];

    for (let count = 0; count < 6; count += 1) {
      delays.push((await login({ as: 'ann', by: `p${count}` })).delayMs);
    }

    expect(delays).toEqual([2000, 4000, 8000, 15_000, 15_000, 15_000]);
  });

  it('answers as late as a directory wants, within its own limits', async () => {
    const delayAfter = async (...wanted: readonly number[]) => {
      const watch = setUp().throttle.watch('192.0.2.1', password('p'));
      await watch.admit('ann');
      for (const ms of wanted) watch.answerLater(ms);
      await watch.end({ result: 'wrongPassword', who: 'ann' });
      return watch.delayMs(2000);
    };

    expect(await Promise.all([delayAfter(), delayAfter(500), delayAfter(7000), delayAfter(60_000)])).toEqual([
      2000, 2000, 7000, 15_000,
    ]);
  });

  it('never delays where failures have no delay', async () => {
    const { throttle } = setUp();
    const watch = throttle.watch('192.0.2.1', password('p'));
    await watch.admit('ann');
    await watch.end({ result: 'wrongPassword', who: 'ann' });

    expect(watch.delayMs(0)).toBe(0);
  });

  it('says once that a user, an address or a network is throttled, and shows it in its state', async () => {
    const { events, guesses, throttle } = setUp();

    await guesses((count) => ({ as: 'ann@example.org>ann', by: `p${count}` }));
    await guesses((count) => ({ as: `user${count}`, by: 'p', result: 'unknownUser' }));
    await guesses((count) => ({ as: 'ann@example.org>ann', by: `q${count}` }));

    expect(events).toEqual([
      { event: 'throttleStart', kind: 'user', user: 'ann', loginName: 'ann@example.org' },
      { event: 'throttleStart', kind: 'address', client: '192.0.2.1' },
    ]);
    expect((await throttle.state()).refusals.get('address')).toBeGreaterThan(0);
    expect((await throttle.state()).keys.get('address')).toBe(1);
  });
});

describe('an address that is exempt', () => {
  const WEBMAIL = '203.0.113.9';

  it('lets in thousands of users with old passwords in between (A20)', async () => {
    const { guesses, login } = setUp();

    expect(await guesses((count) => ({ from: WEBMAIL, as: `user${count}`, by: 'p' }), 5000)).toBe(5000);
    expect(await login({ from: WEBMAIL, as: 'ann', by: 'right', result: 'ok' })).toMatchObject({
      ended: 'ok',
    });
  });

  it('does not help to guess at one user (A20)', async () => {
    const { guesses } = setUp();

    expect(await guesses((count) => ({ from: WEBMAIL, as: 'ann', by: `p${count}` }))).toBe(4);
  });
});

describe('failures from everywhere', () => {
  it('leave a quarter of its limits to whoever is not known, and are answered late', async () => {
    const { events, guesses, login } = setUp({ overall: 20 });
    await login({ from: '192.0.2.80', as: 'ann', by: 'right', result: 'ok' });
    for (let count = 0; count < 20; count += 1) {
      await login({ from: `198.51.100.${count}`, as: `user${count}`, by: 'p' });
    }

    const stranger = await login({ from: '192.0.2.99', as: 'eve', by: 'p' });

    expect(stranger).toEqual({ ended: 'wrongPassword', delayMs: 15_000 });
    expect(await guesses((count) => ({ from: '192.0.2.98', as: 'bob', by: `p${count}` }))).toBe(1);
    expect(await login({ from: '192.0.2.80', as: 'ann', by: 'right', result: 'ok' })).toMatchObject({
      ended: 'ok',
    });
    expect(
      events.filter((event) => event.event === 'throttleStart' && event.kind === 'overall'),
    ).toHaveLength(1);
  });
});
