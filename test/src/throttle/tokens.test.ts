import { describe, expect, it } from 'vitest';
import type { Reason } from '../../../auth/failure.ts';
import type { Throttle } from '../../../src/throttle/throttle.ts';
import { secret, setUp } from '../../support/throttled-logins.ts';

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

describe('tokens that are refused', () => {
  /** How many of 5000 are brought to their provider, in the name of somebody who is known there. */
  async function brought(result: Reason, tokenOf: (count: number) => string): Promise<number> {
    const { login, throttle } = setUp();
    await login({ as: 'eve', by: 'right', result: 'ok' });
    for (let count = 0; count < 5000; count += 1) {
      const guard = throttle.guard('192.0.2.1');
      try {
        await guard.admitAddress('eve');
      } catch {
        return count;
      }
      const watch = guard.watch({ kind: 'noPassword', token: secret(tokenOf(count)) });
      await watch.end({ result, who: 'eve' });
    }
    return 5000;
  }

  it.each(['badToken', 'tokenExpired', 'tokenUnfit'] as const)(
    'are no more than hundreds from one address, whoever they say they are of: %s (A19)',
    async (result) => {
      expect(await brought(result, (count) => `t${count}`)).toBe(640);
    },
  );

  it('are one where it is always the same, as of a client whose token has expired', async () => {
    expect(await brought('tokenExpired', () => 'old')).toBe(5000);
  });

  it('count where their client leaves before they are judged (A19)', async () => {
    const { throttle } = setUp({ perAddress: 1 });
    for (let count = 0; count < 20; count += 1) await throttle.guard('192.0.2.1').admitAddress('ann');

    await expect(throttle.guard('192.0.2.1').admitAddress('ann')).rejects.toMatchObject({
      reason: 'throttled',
    });
  });
});
