/** `npm run rules`: prints which tests show which rule. */
import { listTests, ruleTable } from './rule-table.ts';

process.stdout.write(ruleTable(await listTests()));
