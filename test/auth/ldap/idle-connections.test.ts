import { beforeEach, expect, it, vi } from 'vitest';
import { IdleConnections } from '../../../auth/ldap/idle-connections.ts';

const PERIOD_MS = 1000;

beforeEach(() => {
  vi.useFakeTimers();
  return () => vi.useRealTimers();
});

class Connection {
  usable = true;
  closed = false;

  close(): void {
    this.closed = true;
  }
}

function idleAfterRush(count: number) {
  const idle = new IdleConnections<Connection>(PERIOD_MS);
  const all = Array.from({ length: count }, () => new Connection());
  for (const connection of all) idle.put(connection);
  return { idle, all };
}

const closed = (all: readonly Connection[]): boolean[] => all.map((connection) => connection.closed);

it('closes what a busy time has left over, but one', () => {
  const { all } = idleAfterRush(3);

  vi.advanceTimersByTime(PERIOD_MS);
  expect(closed(all)).toEqual([false, false, false]);
  vi.advanceTimersByTime(PERIOD_MS);

  expect(closed(all)).toEqual([true, true, false]);
  expect(vi.getTimerCount()).toBe(0);
});

it('keeps as many as are needed at one time, and one more', () => {
  const { idle, all } = idleAfterRush(4);

  for (let period = 0; period < 5; period += 1) {
    const used = [idle.take(), idle.take()];
    vi.advanceTimersByTime(PERIOD_MS);
    for (const connection of used) if (connection !== undefined) idle.put(connection);
  }

  expect(closed(all)).toEqual([true, false, false, false]);
});

it('gives the one that was used last, and none that is of no use any more', () => {
  const { idle, all } = idleAfterRush(3);
  const [first, second, third] = all;
  if (third !== undefined) third.usable = false;

  expect(idle.take()).toBe(second);
  expect(idle.take()).toBe(first);
  expect(idle.take()).toBeUndefined();
});

it('closes all in the end', () => {
  const { idle, all } = idleAfterRush(2);

  idle.close();

  expect(closed(all)).toEqual([true, true]);
  expect(vi.getTimerCount()).toBe(0);
});
