import { describe, expect, it } from 'vitest';
import { Turns } from '../../src/routing/turns.ts';

const NEVER = new AbortController().signal;

describe('Turns', () => {
  it('lets so many connect to a node at a time, and the others in the order they came', async () => {
    const turns = new Turns(2);
    const order: string[] = [];
    const first = await turns.take('node-a', NEVER);
    await turns.take('node-a', NEVER);
    const waiting = ['third', 'fourth'].map(async (who) => {
      using _ = await turns.take('node-a', NEVER);
      order.push(who);
    });

    using _ = await turns.take('node-b', NEVER);
    expect(order).toEqual([]);
    first[Symbol.dispose]();
    await Promise.all(waiting);

    expect(order).toEqual(['third', 'fourth']);
  });

  it('keeps no turn for one who gave up', async () => {
    const turns = new Turns(1);
    const gone = new AbortController();
    const first = await turns.take('node-a', NEVER);
    const left = turns.take('node-a', gone.signal);

    gone.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    first[Symbol.dispose]();

    await expect(turns.take('node-a', NEVER)).resolves.toBeDefined();
  });
});
