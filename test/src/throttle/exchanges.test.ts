import { describe, expect, it } from 'vitest';
import type { ConnectionGuard } from '../../../src/throttle/connection-guard.ts';
import { triedBy } from '../../../src/throttle/tried.ts';
import { password, setUp } from '../../support/throttled-logins.ts';

const NOBODY = Buffer.alloc(0);

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

  it('are none when their guess was counted, or their proof was right', async () => {
    const { throttle } = setUp({ perAddress: 1 });
    for (let count = 0; count < 100; count += 1) {
      const guard = throttle.guard('192.0.2.1');
      await guard.beginExchange();
      const isRight = count > 0;
      const watch = guard.watch({ kind: isRight ? 'proved' : 'refuted' });
      await watch.end({ result: isRight ? 'ok' : 'wrongPassword', who: 'ann' });
    }

    await expect(throttle.guard('192.0.2.1').beginExchange()).resolves.toBeUndefined();
  });

  it('stay counted when another one of the connection comes to a proof, or a password comes instead', async () => {
    const { throttle } = setUp({ perAddress: 1 });
    for (let count = 0; count < 10; count += 1) {
      const guard = throttle.guard('192.0.2.1');
      await guard.beginExchange();
      await guard.beginExchange();
      const watch = guard.watch(count % 2 ? { kind: 'proved' } : password('p'));
      await watch.end({ result: 'ok', who: 'ann' });
    }

    const [begun] = await throttle.store.list({ place: '192.0.2.1' });

    expect(begun).toMatchObject({ kind: 'exchange', count: 15 });
  });
});

describe('exchanges that come to a proof which nobody judges', () => {
  const bindWrong = (guard: ConnectionGuard) =>
    guard
      .watch(
        triedBy({ kind: 'refuted', reason: 'channelBinding', authzid: NOBODY, authcid: Buffer.from('x') }),
      )
      .end({ result: 'channelBinding', who: 'x' });

  it('stay counted, whether the binding was of theirs or of the next (A19)', async () => {
    const { throttle } = setUp({ perAddress: 1 });
    for (let count = 0; count < 10; count += 1) {
      const guard = throttle.guard('192.0.2.1');
      await guard.beginExchange();
      await bindWrong(guard);
      await guard.beginExchange();
      await bindWrong(guard);
    }

    await expect(throttle.guard('192.0.2.1').beginExchange()).rejects.toMatchObject({ reason: 'throttled' });
    expect((await throttle.state()).keys.get('userAndAddress')).toBe(0);
  });

  it('stay counted where the proof is refused unseen, or its directory is down', async () => {
    const { throttle } = setUp({ perAddress: 1 });
    for (let count = 0; count < 20; count += 1) {
      const guard = throttle.guard('192.0.2.1');
      await guard.beginExchange();
      const result = count % 2 ? 'throttled' : 'directoryDown';
      await guard.watch({ kind: 'refuted' }).end({ result, who: 'x' });
    }

    await expect(throttle.guard('192.0.2.1').beginExchange()).rejects.toMatchObject({ reason: 'throttled' });
  });
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
