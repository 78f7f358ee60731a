import { describe, expect, it } from 'vitest';
import { tryThoroughly } from './campaign.ts';
import { loadCorpus } from './corpus.ts';
import { TARGETS } from './targets/all.ts';

const SAMPLES = loadCorpus();

describe.each(TARGETS)('the samples of $name', (target) => {
  const samples = SAMPLES.filter((sample) => sample.target === target.name);

  it('are some', () => {
    expect(samples).not.toEqual([]);
  });

  it.each(samples.map((sample) => [sample.note, sample] as const))('%s', async (_note, sample) => {
    expect(await tryThoroughly(target, sample)).toBeUndefined();
  });
});
