import { describe, expect, it } from 'vitest';
import { Secret } from '../../../auth/secret.ts';
import type { Event } from '../../../src/events.ts';
import { ThrottleDesk } from '../../../src/throttle/desk.ts';
import type { ThrottleSettings } from '../../../src/throttle/settings.ts';
import { Throttle } from '../../../src/throttle/throttle.ts';

const SETTINGS: ThrottleSettings = {
  windowMs: 900_000,
  perAddress: 30,
  perNetwork: 120,
  perUser: 4,
  perUserAndAddress: 6,
  overall: 100_000,
  maxDelayMs: 15_000,
  knownForMs: 86_400_000,
  rememberWrongMs: 60_000,
  maxKeys: 1000,
  exempt: [],
};
const OPERATOR = { name: 'root', ip: '127.0.0.1' };

function setUp(changes: Partial<ThrottleSettings> = {}) {
  const events: Event[] = [];
  const observe = (event: Event) => void events.push(event);
  const throttle = new Throttle({ ...SETTINGS, ...changes }, { observe, now: () => 0 });
  const readName = (typed: string) => (typed.includes('*') ? undefined : typed.toLowerCase());
  const desk = new ThrottleDesk(throttle, { readName, observe });
  const login = async (names: readonly string[], by: string, from: string, isRight = false) => {
    const watch = throttle.watch(from, { kind: 'password', password: new Secret(Buffer.from(by)) });
    for (const name of names) await watch.admit(name);
    await watch.end({ result: isRight ? 'ok' : 'wrongPassword', who: names.at(-1) ?? '' });
  };
  const guess = async (from = '192.0.2.1') => {
    for (let count = 0; count < 4; count += 1) await login(['ann@example.org', 'ann'], `p${count}`, from);
  };
  return { events, throttle, desk, login, guess };
}

describe('the desk of the throttle', () => {
  it.each(['ann', 'ann@example.org', 'Ann@Example.org'])(
    'shows and forgets all counts of an account by any of its names: %s',
    async (user) => {
      const { desk, events, guess, login } = setUp();
      await guess();
      await expect(login(['ann'], 'right', '198.51.100.1')).rejects.toMatchObject({ reason: 'throttled' });

      const shown = await desk.show({ user });
      const forgotten = await desk.forget({ user }, OPERATOR);

      expect(shown?.counts.map(({ kind, user: of, place, refuses }) => [kind, of, place, refuses])).toEqual(
        expect.arrayContaining([
          ['user', 'ann', undefined, true],
          ['user', 'ann@example.org', undefined, true],
          ['userAndAddress', 'ann', '192.0.2.1', false],
          ['userAndAddress', 'ann@example.org', '192.0.2.1', false],
        ]),
      );
      expect(shown?.counts).toHaveLength(4);
      expect(forgotten).toEqual(shown);
      expect((await desk.show({ user }))?.counts).toEqual([]);
      await expect(login(['ann@example.org', 'ann'], 'right', '198.51.100.1', true)).resolves.toBeUndefined();
      expect(events.at(-1)).toEqual({
        event: 'throttleForgotten',
        user,
        counts: 4,
        operator: 'root',
        from: '127.0.0.1',
      });
    },
  );

  it('leaves other users and the address as they are', async () => {
    const { desk, guess, login } = setUp();
    await guess();
    await login(['bob'], 'p', '192.0.2.1');
    await desk.forget({ user: 'ann' }, OPERATOR);

    expect((await desk.show({ user: 'bob' }))?.counts).toHaveLength(2);
    expect((await desk.show({ address: '192.0.2.1' }))?.counts).toMatchObject([
      { kind: 'address', count: 5, limit: 30, refuses: false },
      { kind: 'userAndAddress', user: 'bob', count: 1 },
    ]);
  });

  it.each(['2001:db8:1:2::1', '2001:db8:1:2::/64', '2001:db8:1:2:ffff::'])(
    'shows and forgets an address with its network: %s',
    async (address) => {
      const { desk, guess } = setUp();
      await guess('2001:db8:1:2::9');

      const kinds = (await desk.forget({ address }, OPERATOR))?.counts.map(({ kind }) => kind);

      expect(kinds).toEqual(['address', 'userAndAddress', 'userAndAddress', 'network']);
      expect((await desk.show({ address }))?.counts).toEqual([]);
    },
  );

  it('says again that somebody is throttled whom it had forgotten', async () => {
    const { desk, events, guess } = setUp();
    await guess();
    await desk.forget({ user: 'ann' }, OPERATOR);
    await guess();

    const starts = events.filter(({ event }) => event === 'throttleStart');
    expect(starts).toEqual(Array(2).fill(expect.objectContaining({ kind: 'user', user: 'ann' })));
  });

  it('shows where a user is known, and forgets that not', async () => {
    const { desk, login } = setUp();
    await login(['ann@example.org', 'ann'], 'right', '192.0.2.80', true);

    expect((await desk.forget({ user: 'ann' }, OPERATOR))?.knownAt).toEqual(['192.0.2.80']);
    expect((await desk.show({ user: 'ann' }))?.knownAt).toEqual(['192.0.2.80']);
  });

  it('shows the limits that are left while failures come from everywhere', async () => {
    const { desk, guess } = setUp({ overall: 4 });
    await guess();

    const shown = await desk.show({ address: '192.0.2.1' });

    expect(shown?.isTight).toBe(true);
    expect(shown?.counts).toMatchObject([{ kind: 'address', limit: 7.5 }, {}, {}]);
  });

  it('knows what is no name, and no address', async () => {
    const { desk, events } = setUp();

    expect(await desk.show({ user: 'a*' })).toBeUndefined();
    expect(await desk.forget({ address: 'office' }, OPERATOR)).toBeUndefined();
    expect(events).toEqual([]);
  });
});
