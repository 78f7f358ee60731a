import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Reason } from '../../../auth/failure.ts';
import { Secret } from '../../../auth/secret.ts';
import type { Event } from '../../../src/events.ts';
import type { ThrottleSettings } from '../../../src/throttle/settings.ts';
import { Throttle } from '../../../src/throttle/throttle.ts';

const MINUTE_MS = 60_000;
const SETTINGS: ThrottleSettings = {
  windowMs: 15 * MINUTE_MS,
  perAddress: 30,
  perNetwork: 120,
  perUser: 4,
  perUserAndAddress: 6,
  overall: 100_000,
  maxDelayMs: 15_000,
  knownForMs: 24 * 60 * MINUTE_MS,
  rememberWrongMs: MINUTE_MS,
  maxKeys: 1000,
  exempt: ['203.0.113.0/24'],
};
const secret = (text: string) => new Secret(Buffer.from(text));
const password = (text: string) => ({ kind: 'password', password: secret(text) }) as const;

interface Try {
  readonly from?: string;
  /** The login name; the account's name, if it is another one, is behind a `>`. */
  readonly as: string;
  readonly by: string | undefined;
  readonly result?: 'ok' | Reason;
}

function setUp(changes: Partial<ThrottleSettings> = {}) {
  const clock = { ms: 0 };
  const events: Event[] = [];
  const throttle = new Throttle(
    { ...SETTINGS, ...changes },
    { observe: (event) => events.push(event), now: () => clock.ms },
  );
  /** One login: `throttled`, or the result that it was said to have. */
  const login = async ({ from = '192.0.2.1', as, by, result = 'wrongPassword' }: Try) => {
    const [typed = '', account = typed] = as.split('>');
    const watch = throttle.watch(from, by === undefined ? { kind: 'refuted' } : password(by));
    let ended = result;
    try {
      await watch.admit(typed);
      await watch.admit(account);
    } catch (error) {
      expect(error).toMatchObject({ name: 'LoginFailure', reason: 'throttled' });
      ended = 'throttled';
    }
    await watch.end({ result: ended, who: account });
    return { ended, delayMs: watch.delayMs(2000) };
  };
  /** Guesses until it is refused, and says how often it was not. */
  const guesses = async (next: (count: number) => Try, most = 2000) => {
    for (let count = 0; count < most; count += 1) {
      if ((await login(next(count))).ended === 'throttled') return count;
    }
    return most;
  };
  return { clock, events, throttle, login, guesses };
}

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

    await Promise.all(watches.map((watch) => watch.admit('ann')));
    for (const watch of watches) await watch.end({ result: 'ok', who: 'ann' });

    expect(await throttle.store.list({ user: 'ann' })).toEqual([
      { kind: 'user', user: 'ann', count: 0, capacity: 4 },
      { kind: 'userAndAddress', user: 'ann', place: '192.0.2.1', count: 0, capacity: 6 },
    ]);
  });

  it('lets a whole office come back at the same time, by whatever mechanism', async () => {
    const { throttle } = setUp();
    const watches = Array.from({ length: 500 }, (_, count) => {
      const watch = throttle.watch('192.0.2.1', count % 2 ? password(`p${count}`) : { kind: 'proved' });
      return { watch, user: `user${Math.floor(count / 10)}` };
    });

    await Promise.all(
      watches.map(({ watch, user }, count) => watch.admit(count % 2 ? `${user}${count}` : user)),
    );
    for (const { watch, user } of watches) await watch.end({ result: 'ok', who: user });

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

describe('exchanges that are begun and not ended', () => {
  it('are refused where one address has begun hundreds, and count nothing else (A19)', async () => {
    const { events, login, throttle } = setUp();
    const begun = async (from: string) => {
      for (let count = 0; count < 5000; count += 1) {
        const guard = throttle.guard(from);
        const told = await guard.beginExchange().then(
          () => 'begun',
          () => 'refused',
        );
        if (told === 'refused') return count;
      }
      return undefined;
    };

    expect(await begun('192.0.2.1')).toBe(600);
    expect(await begun('203.0.113.9')).toBe(undefined);
    expect(await login({ as: 'ann', by: 'right', result: 'ok' })).toMatchObject({ ended: 'ok' });
    await expect(throttle.guard('192.0.2.2').beginExchange()).resolves.toBeUndefined();
    expect(events).toEqual([{ event: 'throttleStart', kind: 'exchange', client: '192.0.2.1' }]);
  });

  it('are of a /48 together', async () => {
    const { throttle } = setUp({ perAddress: 2, perNetwork: 3 });
    const begin = (host: number) => throttle.guard(`2001:db8:1:${host}::1`).beginExchange();
    for (let host = 0; host < 60; host += 1) await begin(host);

    await expect(begin(61)).rejects.toMatchObject({ reason: 'throttled' });
  });

  it('are none when they come to a proof, right or wrong', async () => {
    const { throttle } = setUp({ perAddress: 1 });
    for (let count = 0; count < 100; count += 1) {
      const guard = throttle.guard('192.0.2.1');
      await guard.beginExchange();
      await guard.watch({ kind: count % 2 ? 'proved' : 'refuted' });
    }

    await expect(throttle.guard('192.0.2.1').beginExchange()).resolves.toBeUndefined();
  });

  it('stay counted when another one of the connection comes to a proof, or a password comes instead', async () => {
    const { throttle } = setUp({ perAddress: 1 });
    for (let count = 0; count < 10; count += 1) {
      const guard = throttle.guard('192.0.2.1');
      await guard.beginExchange();
      await guard.beginExchange();
      await guard.watch(count % 2 ? { kind: 'proved' } : password('p'));
    }

    const [begun] = await throttle.store.list({ place: '192.0.2.1' });

    expect(begun).toMatchObject({ kind: 'exchange', count: 15 });
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

describe('a token or a certificate', () => {
  const SHOWN = { kind: 'noPassword' } as const;

  async function show(throttle: Throttle, result: 'ok' | Reason, from = '192.0.2.1', token?: string) {
    const tried = token === undefined ? SHOWN : { ...SHOWN, token: secret(token) };
    const watch = throttle.watch(from, tried);
    await watch.admit('ann');
    await watch.end({ result, who: 'ann' });
    return watch;
  }

  it('that is right is not kept out by wrong passwords of its user (A19)', async () => {
    const { guesses, throttle } = setUp();
    await guesses((count) => ({ from: `198.51.100.${count}`, as: 'ann', by: `p${count}` }));

    await expect(show(throttle, 'ok')).resolves.toBeDefined();
  });

  it('that is wrong, which anybody may show for a user, keeps no password of his out (A19)', async () => {
    const { login, throttle } = setUp();
    for (let count = 0; count < 20; count += 1) {
      await show(throttle, 'badToken', `198.51.100.${count}`, `t${count}`);
    }

    expect((await throttle.state()).keys.get('user')).toBe(0);
    expect(await login({ as: 'ann', by: 'right', result: 'ok' })).toMatchObject({ ended: 'ok' });
  });

  it('that is wrong counts for its address, the same token once (A19)', async () => {
    const { throttle } = setUp({ perAddress: 3 });
    for (let count = 0; count < 10; count += 1) await show(throttle, 'badToken', '192.0.2.1', 'stale');
    await show(throttle, 'badToken', '192.0.2.1', 'other');
    await show(throttle, 'badCertificate');

    await expect(show(throttle, 'ok')).rejects.toMatchObject({ reason: 'throttled' });
  });
});

describe('a token that its provider made, but not for now or not for here', () => {
  it.each(['tokenExpired', 'tokenUnfit'] as const)(
    'is no guess (%s): its address gets in',
    async (result) => {
      const { login, throttle } = setUp({ perAddress: 3 });
      for (let count = 0; count < 10; count += 1) {
        const watch = throttle.watch('192.0.2.1', { kind: 'noPassword', token: secret(`t${count}`) });
        await watch.admit('ann');
        await watch.end({ result, who: 'ann' });
      }

      expect((await throttle.state()).keys.get('address')).toBe(0);
      expect(await login({ as: 'ann', by: 'right', result: 'ok' })).toMatchObject({ ended: 'ok' });
    },
  );
});

describe('a guard of mechanisms that ask before there is a login', () => {
  it('refuses whom a login would be refused, and counts nothing', async () => {
    const { guesses, throttle } = setUp();
    const guard = throttle.guard('192.0.2.2');

    for (let count = 0; count < 100; count += 1) {
      await guard.admit('bob');
      await guard.admitAddress('bob');
    }
    await guesses((count) => ({ as: 'ann', by: `p${count}` }));

    await expect(guard.admit('ann')).rejects.toMatchObject({ reason: 'throttled' });
    expect(guard.knownWrong()).toBe(false);
  });

  it('keeps nobody out for what others only began (A19)', async () => {
    const { throttle } = setUp();
    for (let host = 0; host < 100; host += 1) await throttle.guard(`198.51.100.${host}`).admit('ann');

    await expect(throttle.guard('192.0.2.2').admit('ann')).resolves.toBeUndefined();
  });

  it('asks for its address at each exchange, not at the first of a connection alone (A19)', async () => {
    const { guesses, login, throttle } = setUp();
    await login({ from: '192.0.2.2', as: 'ann', by: 'right', result: 'ok' });
    await guesses((count) => ({ from: '192.0.2.2', as: `user${count}`, by: 'p' }));
    const guard = throttle.guard('192.0.2.2');

    for (let count = 0; count < 3; count += 1) {
      await expect(guard.admit('bob')).rejects.toMatchObject({ reason: 'throttled' });
      await expect(guard.admitAddress(undefined)).rejects.toMatchObject({ reason: 'throttled' });
    }
    await expect(guard.admit('ann')).resolves.toBeUndefined();
    await expect(guard.admitAddress('ann')).resolves.toBeUndefined();
  });

  it('makes the refusal of its exchange as late as any other', async () => {
    const { throttle } = setUp();
    const watch = throttle.watch('192.0.2.1', { kind: 'refuted' });
    await watch.end({ result: 'throttled', who: 'ann' });

    expect(watch.delayMs(2000)).toBe(15_000);
  });
});
