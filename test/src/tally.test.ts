import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Tally } from '../../src/tally.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('Tally', () => {
  it('tells of the first at once, and of the rest once in ten seconds, with their number', () => {
    const told: [string, number][] = [];
    const tally = new Tally((latest, count) => told.push([latest, count]));
    for (const name of ['a', 'b', 'c']) tally.add(name);
    const atOnce = [...told];
    vi.advanceTimersByTime(10_000);
    const afterTheWindow = [...told];
    tally.add('d');
    vi.advanceTimersByTime(9999);
    const within = [...told];
    vi.advanceTimersByTime(1);

    expect(atOnce).toEqual([['a', 1]]);
    expect(afterTheWindow).toEqual([
      ['a', 1],
      ['c', 2],
    ]);
    expect(within).toEqual(afterTheWindow);
    expect(told).toEqual([...afterTheWindow, ['d', 1]]);
  });

  it('tells at once again when it has been quiet for a window', () => {
    const told: [string, number][] = [];
    const tally = new Tally((latest, count) => told.push([latest, count]));
    tally.add('a');
    vi.advanceTimersByTime(10_000);
    tally.add('b');

    expect(told).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
  });
});
