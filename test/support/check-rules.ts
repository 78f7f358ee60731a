/** `npm run shown`: fails when there is a rule that no test names, also none that is made from rows. */
import { listTests, unshownRules } from './rule-table.ts';

const unshown = unshownRules(await listTests());
if (unshown.length > 0) {
  process.stderr.write(`no test names ${unshown.join(', ')}: see test/rules.ts\n`);
  process.exitCode = 1;
}
