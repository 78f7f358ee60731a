/** `npm run soak`: the proxy for a long time, in front of real servers that fail. */
import { parseArgs } from 'node:util';
import { startVitest } from 'vitest/node';
import type { SoakTerms } from './terms.ts';

const USAGE = 'npm run soak -- [--minutes N] [--seed N] [--sessions N]\n';
/** What comes before and behind the minutes, at most. */
const AROUND_MS = 20 * 60_000;
/** The longest that a minute takes, in which all clients come back only at the very end. */
const MINUTE_MS = 400_000;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '20' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      sessions: { type: 'string', default: '3000' },
    },
  });
  const soak: SoakTerms = {
    minutes: Number(values.minutes),
    seed: Number(values.seed),
    sessions: Number(values.sessions),
  };
  if (!(soak.minutes >= 1) || !Number.isInteger(soak.seed) || !(soak.sessions >= 100)) {
    process.stderr.write(USAGE);
    return 2;
  }
  const vitest = await startVitest('test', [], {
    config: false,
    watch: false,
    include: ['test/soak/**/*.test.ts'],
    globalSetup: 'test/support/global-setup.ts',
    testTimeout: AROUND_MS + soak.minutes * MINUTE_MS,
    hookTimeout: 60_000,
    disableConsoleIntercept: true,
    provide: { soak },
  });
  await vitest.close();
  return Number(process.exitCode ?? 0);
}
