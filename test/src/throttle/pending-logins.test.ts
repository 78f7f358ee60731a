import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { password, setUp } from '../../support/throttled-logins.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('logins of strangers that come together from one address', () => {
  function burst(from: (count: number) => string, result: 'ok' | 'wrongPassword') {
    const { throttle, login } = setUp();
    const judged: string[] = [];
    const ends = Array.from({ length: 1000 }, async (_, count) => {
      const watch = throttle.watch(from(count), password('summer'));
      await watch.admit(`user${count}`);
      judged.push(`user${count}`);
      await vi.advanceTimersByTimeAsync(0);
      await watch.end({ result, who: `user${count}` });
    });
    return { throttle, login, judged, ended: Promise.allSettled(ends) };
  }

  it('are no more guesses than those that come one by one (A19)', async () => {
    const one = burst(() => '192.0.2.1', 'wrongPassword');
    const network = burst((count) => `2001:db8:1:${count.toString(16)}::1`, 'wrongPassword');

    await Promise.all([one.ended, network.ended]);

    expect([one.judged.length, network.judged.length]).toEqual([30, 120]);
  });

  it('wait for each other where all are right, and all get in', async () => {
    const { ended, judged, throttle } = burst(() => '192.0.2.1', 'ok');

    const ends = await ended;

    expect(ends.every(({ status }) => status === 'fulfilled')).toBe(true);
    expect(judged).toHaveLength(1000);
    expect((await throttle.state()).keys.get('address')).toBe(0);
  });

  it('are refused where none ends for long, but for who is known there and elsewhere', async () => {
    const { login, throttle } = setUp();
    await login({ as: 'ann', by: 'right', result: 'ok' });
    for (let count = 0; count < 32; count += 1) {
      await throttle.watch('192.0.2.1', password('p')).admit(`user${count}`);
    }

    const late = throttle.watch('192.0.2.1', password('p')).admit('bob');
    const refused = expect(late).rejects.toMatchObject({ reason: 'throttled' });
    await throttle.watch('192.0.2.1', password('p')).admit('ann');
    await throttle.watch('192.0.2.2', password('p')).admit('bob');
    await vi.advanceTimersByTimeAsync(15_000);

    await refused;
    expect(vi.getTimerCount()).toBe(0);
  });
});
