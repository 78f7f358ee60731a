import { describe, expect, it } from 'vitest';
import { Gate } from '../../auth/gate.ts';

const patient = new AbortController().signal;

describe('Gate', () => {
  it('lets the next one in, in order, when a place is given back', async () => {
    const gate = new Gate(1);
    const entered: string[] = [];
    const first = await gate.enter(patient);
    const second = gate.enter(patient).then((place) => {
      entered.push('second');
      return place;
    });
    const third = gate.enter(patient).then(() => entered.push('third'));

    first[Symbol.dispose]();
    (await second)[Symbol.dispose]();
    await third;

    expect(entered).toEqual(['second', 'third']);
  });

  it('forgets who gave up waiting', async () => {
    const gate = new Gate(1);
    const first = await gate.enter(patient);
    const impatient = new AbortController();
    const second = gate.enter(impatient.signal);
    const third = gate.enter(patient);

    impatient.abort(new Error('too long'));
    await expect(second).rejects.toThrow('too long');
    first[Symbol.dispose]();

    await expect(third).resolves.toBeDefined();
  });
});
