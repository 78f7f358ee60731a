import { expect, it } from 'vitest';
import { runCampaign } from './campaign.ts';
import { loadCorpus } from './corpus.ts';
import { TARGETS } from './targets/all.ts';

const RUN_MS = 4000;
/** Always the same, so that a commit is tested by the same inputs each time; `npm run fuzz` finds new ones. */
const SEED = 1;

it('no hostile input breaks a rule in a few seconds of trying', async () => {
  const { failure, tallies } = await runCampaign({
    targets: TARGETS,
    seed: SEED,
    seeds: loadCorpus(),
    endMs: performance.now() + RUN_MS,
  });

  expect(failure, `seed ${SEED}: ${JSON.stringify(failure?.sample)}`).toBeUndefined();
  expect(tallies.filter(({ inputs }) => inputs === 0)).toEqual([]);
}, 60_000);
