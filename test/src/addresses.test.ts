import type { LookupAddress } from 'node:dns';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Addresses } from '../../src/routing/addresses.ts';

const NEVER = new AbortController().signal;
const OLD = [{ address: '192.0.2.1', family: 4 }];
const NEW = [{ address: '192.0.2.2', family: 4 }];

/** A resolver whose answers come when the test gives them. */
class Resolver {
  readonly asked: string[] = [];
  readonly #pending = new Map<string, PromiseWithResolvers<readonly LookupAddress[]>>();
  readonly addresses = new Addresses({
    lookup: (host) => {
      this.asked.push(host);
      const answer = Promise.withResolvers<readonly LookupAddress[]>();
      this.#pending.set(host, answer);
      return answer.promise;
    },
  });

  of(host = 'node-a.example.org', signal = NEVER): Promise<readonly LookupAddress[]> {
    return this.addresses.of(host, signal);
  }

  async answer(found: readonly LookupAddress[] | Error, host = 'node-a.example.org'): Promise<void> {
    await vi.waitFor(() => expect(this.#pending.has(host)).toBe(true));
    const answer = this.#pending.get(host);
    this.#pending.delete(host);
    if (found instanceof Error) answer?.reject(found);
    else answer?.resolve(found);
  }

  async learn(found: readonly LookupAddress[]): Promise<void> {
    const wanted = this.of();
    await this.answer(found);
    await wanted;
  }
}

describe('Addresses', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each(['192.0.2.7', '2001:db8::7'])('asks nobody for %s', async (ip) => {
    const resolver = new Resolver();

    expect(await resolver.of(ip)).toMatchObject([{ address: ip }]);
    expect(resolver.asked).toEqual([]);
  });

  it('asks once for all who want a name, and not again for 10 s', async () => {
    const resolver = new Resolver();

    const both = Promise.all([resolver.of(), resolver.of()]);
    await resolver.answer(OLD);
    expect(await both).toEqual([OLD, OLD]);
    vi.advanceTimersByTime(9_999);
    expect(await resolver.of()).toEqual(OLD);

    expect(resolver.asked).toHaveLength(1);
  });

  it('F15 gives the next one who asks an address that has changed', async () => {
    const resolver = new Resolver();
    await resolver.learn(OLD);
    vi.advanceTimersByTime(10_000);

    const next = resolver.of();
    await resolver.answer(NEW);

    expect(await next).toEqual(NEW);
  });

  it('F14 goes on with the last good address while the resolver fails, asking again each 5 s', async () => {
    const resolver = new Resolver();
    await resolver.learn(OLD);
    vi.advanceTimersByTime(10_000);

    const next = resolver.of();
    await resolver.answer(new Error('SERVFAIL'));
    expect(await next).toEqual(OLD);
    vi.advanceTimersByTime(4_999);
    expect(await resolver.of()).toEqual(OLD);
    expect(resolver.asked).toHaveLength(2);
    vi.advanceTimersByTime(1);
    const later = resolver.of();
    await resolver.answer(NEW);

    expect(await later).toEqual(NEW);
  });

  it('waits half a second for a slow resolver where an earlier answer would do, and takes its answer later', async () => {
    const resolver = new Resolver();
    await resolver.learn(OLD);
    vi.advanceTimersByTime(10_000);

    const next = resolver.of();
    await vi.advanceTimersByTimeAsync(500);
    expect(await next).toEqual(OLD);
    await resolver.answer(NEW);
    await vi.advanceTimersByTimeAsync(0);

    expect(await resolver.of()).toEqual(NEW);
  });

  it('has no address any more when the resolver has failed for an hour', async () => {
    const resolver = new Resolver();
    await resolver.learn(OLD);
    vi.advanceTimersByTime(3_600_000);

    const next = resolver.of();
    await resolver.answer(new Error('SERVFAIL'));

    await expect(next).rejects.toThrow('SERVFAIL');
  });

  it('tells of a name that has never been found, and asks anew 5 s later', async () => {
    const resolver = new Resolver();

    const first = resolver.of();
    await resolver.answer(new Error('ENOTFOUND'));
    await expect(first).rejects.toThrow('ENOTFOUND');
    vi.advanceTimersByTime(4_999);
    await expect(resolver.of()).rejects.toThrow('ENOTFOUND');
    expect(resolver.asked).toHaveLength(1);
    vi.advanceTimersByTime(1);
    const second = resolver.of();
    await resolver.answer(NEW);

    expect(await second).toEqual(NEW);
  });

  it('takes no answer without an address for one', async () => {
    const resolver = new Resolver();

    const wanted = resolver.of();
    await resolver.answer([]);

    await expect(wanted).rejects.toThrow('node-a.example.org has no address');
  });

  it('is given up by one who waits, and goes on for another', async () => {
    const resolver = new Resolver();
    const leaver = new AbortController();

    const [left, stays] = [resolver.of(undefined, leaver.signal), resolver.of()];
    leaver.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    await resolver.answer(OLD);

    expect(await stays).toEqual(OLD);
    expect(resolver.asked).toHaveLength(1);
  });

  it('answers for others while one name hangs', async () => {
    const resolver = new Resolver();
    void resolver.of('hangs.example.org');

    const other = resolver.of();
    await resolver.answer(OLD);

    expect(await other).toEqual(OLD);
  });

  it('asks for two names at a time, since each keeps a thread of the process', async () => {
    const resolver = new Resolver();

    for (const host of ['a.example.org', 'b.example.org', 'c.example.org']) void resolver.of(host);
    await vi.advanceTimersByTimeAsync(0);
    expect(resolver.asked).toEqual(['a.example.org', 'b.example.org']);
    await resolver.answer(OLD, 'a.example.org');
    await vi.advanceTimersByTimeAsync(0);

    expect(resolver.asked).toEqual(['a.example.org', 'b.example.org', 'c.example.org']);
  });

  it('F14 answers for others when two names have hung for 5 s, and leaves those alone for a minute', async () => {
    const resolver = new Resolver();
    const hanging = ['x.example.org', 'y.example.org'].map((host) =>
      expect(resolver.of(host)).rejects.toThrow('in 5000 ms'),
    );
    const waiting = resolver.of();
    await vi.advanceTimersByTimeAsync(5000);
    await resolver.answer(OLD);

    expect(await waiting).toEqual(OLD);
    await Promise.all(hanging);
    await vi.advanceTimersByTimeAsync(54_999);
    await expect(resolver.of('x.example.org')).rejects.toThrow('in 5000 ms');
    expect(resolver.asked).toEqual(['x.example.org', 'y.example.org', 'node-a.example.org']);
  });

  it('asks for three names at a time at most, however long they hang', async () => {
    const resolver = new Resolver();
    const hanging = ['w', 'x', 'y', 'z'].map((host) =>
      expect(resolver.of(host)).rejects.toThrow('in 5000 ms'),
    );
    await vi.advanceTimersByTimeAsync(60_000);
    expect(resolver.asked).toEqual(['w', 'x', 'y']);
    await resolver.answer(new Error('ETIMEDOUT'), 'w');
    await resolver.answer(new Error('ETIMEDOUT'), 'x');
    await vi.advanceTimersByTimeAsync(5000);

    expect(resolver.asked).toEqual(['w', 'x', 'y', 'z']);
    await Promise.all(hanging);
  });

  it('takes an answer that comes late', async () => {
    const resolver = new Resolver();
    const late = expect(resolver.of()).rejects.toThrow('in 5000 ms');
    await vi.advanceTimersByTimeAsync(5000);
    await late;
    await resolver.answer(OLD);
    await vi.advanceTimersByTimeAsync(0);

    expect(await resolver.of()).toEqual(OLD);
  });

  it('asks for no name whose turn comes when nobody waits for it any more', async () => {
    const resolver = new Resolver();
    const leaver = new AbortController();
    for (const host of ['x.example.org', 'y.example.org']) void resolver.of(host).catch(() => undefined);
    const left = resolver.of('left.example.org', leaver.signal);
    const stays = resolver.of();
    leaver.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    await resolver.answer(OLD, 'x.example.org');
    await resolver.answer(OLD);

    expect(await stays).toEqual(OLD);
    expect(resolver.asked).toEqual(['x.example.org', 'y.example.org', 'node-a.example.org']);
    const again = resolver.of('left.example.org');
    await resolver.answer(NEW, 'left.example.org');
    expect(await again).toEqual(NEW);
  });

  it('has one login wait for a slow resolver where an earlier answer would do, not each in turn', async () => {
    const resolver = new Resolver();
    await resolver.learn(OLD);
    await vi.advanceTimersByTimeAsync(10_000);
    const first = resolver.of();
    await vi.advanceTimersByTimeAsync(500);
    await first;
    const next = resolver.of();
    await vi.advanceTimersByTimeAsync(1);

    expect(await next).toEqual(OLD);
  });

  it('takes eight addresses of a name at most', async () => {
    const resolver = new Resolver();
    const many = Array.from({ length: 20 }, (_, index) => ({ address: `192.0.2.${index}`, family: 4 }));

    const wanted = resolver.of();
    await resolver.answer(many);

    expect(await wanted).toEqual(many.slice(0, 8));
  });
});
