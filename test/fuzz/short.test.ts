import { expect, it } from 'vitest';
import { runCampaign } from './campaign.ts';
import { loadCorpus } from './corpus.ts';
import { TARGETS } from './targets/all.ts';

const RUN_MS = 6000;

it('no hostile input breaks a rule in a few seconds of trying', async () => {
  const seed = Date.now() % 1_000_000;

  const { failure, tallies } = await runCampaign({
    targets: TARGETS,
    seed,
    seeds: loadCorpus(),
    endMs: performance.now() + RUN_MS,
  });

  expect(failure, `seed ${seed}: ${JSON.stringify(failure?.sample)}`).toBeUndefined();
  expect(tallies.filter(({ inputs }) => inputs === 0)).toEqual([]);
}, 60_000);
