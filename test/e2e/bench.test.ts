import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const MEASURES = ['login', 'login-tls', 'bulk', 'idle-tls-64k', 'noop'];

/** `npm run bench` itself takes the whole machine for most of an hour; here it measures nothing to speak of. */
it('measures Homing from its logins to its memory, or names what is missing for that', async () => {
  const options = ['--short', '--targets', 'homing', '--only', MEASURES.join(',')];

  const { stdout } = await run(process.execPath, ['test/bench/run.ts', ...options]);

  if (/^missing: .*; nothing can be measured$/m.test(stdout)) return;
  const measured = stdout.split('\n').filter((line) => /\| homing +\| +-?\d/.test(line));
  expect(measured).toHaveLength(MEASURES.length);
});
