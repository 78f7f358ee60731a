import { describe, expect, it } from 'vitest';
import { EndSpread } from '../../src/end-spread.ts';

function bench(spreadMs = 30_000) {
  const clock = { nowMs: 0 };
  // Goes through the whole range in even steps.
  let drawn = 0;
  const random = () => {
    drawn = (drawn + 1) % 100;
    return drawn / 100;
  };
  return { clock, spread: new EndSpread({ spreadMs, now: () => clock.nowMs, random }) };
}

describe('EndSpread', () => {
  it('A39 ends a thirtieth of the sessions of a dead node at once, the others within 30 s', () => {
    const { spread } = bench();
    const sessions = Array.from({ length: 3000 }, () => spread.enter('node-a'));

    const delays = sessions.map((session) => session.gone());

    expect(delays.filter((delay) => delay === 0).length).toBeLessThanOrEqual(100 + 3000 / 100);
    expect(delays.slice(0, 100)).toEqual(new Array(100).fill(0));
    expect(Math.max(...delays)).toBeLessThanOrEqual(30_000);
    expect(delays.every((delay) => delay % 100 === 0)).toBe(true);
    // Of 2,900 about 97 a second.
    for (let second = 1; second <= 30; second += 1) {
      const ended = delays.filter((delay) => delay > (second - 1) * 1000 && delay <= second * 1000);
      expect(ended.length).toBeLessThan(150);
    }
  });

  it('lets sessions end at once that end one after the other', () => {
    const { clock, spread } = bench();
    const sessions = Array.from({ length: 1000 }, () => spread.enter('node-a'));

    const delays = sessions.map((session) => {
      clock.nowMs += 50;
      return session.gone();
    });

    expect(delays).toEqual(new Array(1000).fill(0));
  });

  it('thinks nothing of it when a few sessions end', () => {
    const { spread } = bench();
    const sessions = Array.from({ length: 10 }, () => spread.enter('node-a'));

    expect(sessions.map((session) => session.gone())).toEqual(new Array(10).fill(0));
  });

  it('knows each node by itself', () => {
    const { spread } = bench();
    for (const session of Array.from({ length: 300 }, () => spread.enter('node-a'))) session.gone();

    expect(spread.enter('node-b').gone()).toBe(0);
  });

  it('counts no session that has ended', () => {
    const { spread } = bench();
    for (const session of Array.from({ length: 3000 }, () => spread.enter('node-a')))
      session[Symbol.dispose]();
    const sessions = Array.from({ length: 60 }, () => spread.enter('node-a'));

    expect(sessions.map((session) => session.gone()).filter((delay) => delay === 0)).toHaveLength(10);
  });

  it('can be switched off', () => {
    const { spread } = bench(0);
    const sessions = Array.from({ length: 300 }, () => spread.enter('node-a'));

    expect(sessions.map((session) => session.gone())).toEqual(new Array(300).fill(0));
  });
});
