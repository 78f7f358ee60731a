import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Charge, CounterStore, Subject } from '../../../src/throttle/counters.ts';
import { MemoryCounters } from '../../../src/throttle/memory-counters.ts';
import { Throttle } from '../../../src/throttle/throttle.ts';
import { password, SETTINGS } from '../../support/throttled-logins.ts';

describe('a store that answers later, as one that proxies share', () => {
  /** Counts elsewhere: each call is one step there, and takes a turn. */
  class DistantCounters implements CounterStore {
    readonly #counters = new MemoryCounters({ windowMs: SETTINGS.windowMs, maxKeys: 1000, now: () => 0 });

    async take(charges: readonly Charge[]) {
      await nextTurn();
      return this.#counters.take(charges);
    }

    async giveBack(charges: readonly Charge[]) {
      await nextTurn();
      this.#counters.giveBack(charges);
    }

    async list(subject: Subject) {
      await nextTurn();
      return this.#counters.list(subject);
    }

    async forget(subject: Subject) {
      await nextTurn();
      this.#counters.forget(subject);
    }

    async sizes() {
      await nextTurn();
      return this.#counters.sizes();
    }
  }

  it('gives guesses that come together to several proxies no more tries than to one (A19)', async () => {
    const store = new DistantCounters();
    const proxies = Array.from(
      { length: 3 },
      () => new Throttle(SETTINGS, { observe: () => undefined, store, now: () => 0 }),
    );
    const watches = Array.from({ length: 90 }, (_, count) => {
      const proxy = proxies[count % 3] ?? expect.fail('three proxies');
      return proxy.watch('192.0.2.1', password(`p${count}`));
    });

    const admitted = await Promise.allSettled(
      watches.map(async (watch) => {
        await watch.admit('ann');
        await watch.end({ result: 'wrongPassword', who: 'ann' });
      }),
    );

    expect(admitted.filter(({ status }) => status === 'fulfilled')).toHaveLength(4);
    expect((await proxies[0]?.state())?.keys.get('user')).toBe(1);
  });

  it('is given back what was no guess', async () => {
    const store = new DistantCounters();
    const throttle = new Throttle(SETTINGS, { observe: () => undefined, store, now: () => 0 });
    const watch = throttle.watch('192.0.2.1', password('right'));
    await watch.admit('ann');
    await watch.end({ result: 'ok', who: 'ann' });

    expect(await store.list({ user: 'ann' })).toEqual([]);
  });
});
