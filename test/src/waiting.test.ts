import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Waiting } from '../../src/waiting.ts';

function setUp(perAddress: number | undefined, max: number | undefined, perNetwork?: number) {
  const evicted: string[] = [];
  const waiting = new Waiting({ perAddress, perNetwork, max, isShared: (ip) => ip.startsWith('203.0.113.') });
  const enter = (name: string, ip = '192.0.2.1', mayGo = true) =>
    waiting.enter({ evict: () => (mayGo ? evicted.push(name) > 0 : false) }, ip);
  return { waiting, evicted, enter };
}

describe('the connections that wait for their login', () => {
  it('drop the oldest of an address for one more (A21)', () => {
    const { enter, evicted } = setUp(2, undefined);

    for (const name of ['a', 'b', 'c', 'd']) enter(name);
    enter('other', '192.0.2.2');

    expect(evicted).toEqual(['a', 'b']);
  });

  it('let an office in at once while there is room (A20)', () => {
    const { enter, evicted } = setUp(2, 40);

    for (let at = 0; at < 10; at += 1) enter(`${at}`);
    expect(evicted).toEqual([]);

    enter('one more');
    expect(evicted).toEqual(['0']);
  });

  it('count a /64 of IPv6 as one address (A21)', () => {
    const { enter, evicted } = setUp(1, undefined);

    enter('a', '2001:db8::1');
    enter('b', '2001:db8::2');
    enter('c', '2001:db8:0:1::1');

    expect(evicted).toEqual(['a']);
  });

  it('drop the oldest of a /48 of IPv6, which has 65,536 /64s, for one more (A21)', () => {
    const { enter, evicted } = setUp(2, undefined, 3);

    for (let at = 0; at < 6; at += 1) enter(`${at}`, `2001:db8:1:${at}::1`);
    enter('neighbour', '2001:db8:2:0::1');
    enter('IPv4', '192.0.2.1');

    expect(evicted).toEqual(['0', '1', '2']);
  });

  it('drop one alone where both an address and its /48 are full', () => {
    const { enter, evicted } = setUp(2, undefined, 3);

    enter('other', '2001:db8:1:2::1');
    for (let at = 0; at < 3; at += 1) enter(`${at}`, '2001:db8:1:1::1');

    expect(evicted).toEqual(['0']);
  });

  it('drop the oldest of all for one more (A21)', () => {
    const { enter, evicted } = setUp(undefined, 3);

    for (let at = 0; at < 5; at += 1) enter(`${at}`, `192.0.2.${at}`);

    expect(evicted).toEqual(['0', '1']);
  });

  it('have no limit by address where many share one (A20)', () => {
    const { enter, evicted } = setUp(1, undefined);

    for (let at = 0; at < 50; at += 1) enter(`${at}`, '203.0.113.1');

    expect(evicted).toEqual([]);
  });

  it('pass by who is about to log in, and take nobody more when all are', () => {
    const { enter, evicted } = setUp(2, undefined);
    enter('a', undefined, false);
    enter('b');

    expect(enter('c', undefined, false)).toBeDefined();
    expect(evicted).toEqual(['b']);
    expect(enter('d')).toBeUndefined();
  });

  it('give places back, and none twice', () => {
    const { enter, evicted } = setUp(2, undefined);
    const first = enter('a');
    enter('b');
    first?.[Symbol.dispose]();
    first?.[Symbol.dispose]();
    enter('c');

    expect(evicted).toEqual([]);
    enter('d');
    expect(evicted).toEqual(['b']);
  });

  it('are a crowd when more than four fifths of the places are taken', () => {
    const { enter, waiting } = setUp(undefined, 10);
    for (let at = 0; at < 8; at += 1) enter(`${at}`);
    expect(waiting.isCrowded).toBe(false);

    enter('9');

    expect(waiting.isCrowded).toBe(true);
  });

  it('are never more than they may be, whoever comes and goes', () => {
    const step = fc.record({ host: fc.integer({ min: 1, max: 4 }), leave: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const here = new Map<string, Disposable>();
        const waiting = new Waiting({ perAddress: 3, perNetwork: 4, max: 6, isShared: () => false });
        for (const [at, { host, leave }] of steps.entries()) {
          const name = `${at} ${host}`;
          const place = waiting.enter({ evict: () => here.delete(name) }, `192.0.2.${host}`);
          if (place !== undefined) here.set(name, place);
          const [oldest, its] = [...here][0] ?? [];
          if (leave && oldest !== undefined) {
            its?.[Symbol.dispose]();
            here.delete(oldest);
          }
          const same = [...here.keys()].filter((one) => one.endsWith(` ${host}`));

          expect(here.size).toBeLessThanOrEqual(6);
          expect(same.length).toBeLessThanOrEqual(3);
        }
      }),
    );
  });
});
