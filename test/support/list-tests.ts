/** Prints the tests of the project as JSON, without running any and without the servers that some of them need. */
import { createVitest } from 'vitest/node';
import type { ListedTest } from './rule-table.ts';

const vitest = await createVitest('test', {
  config: false,
  watch: false,
  dir: 'test',
  pool: 'threads',
  isolate: false,
  reporters: [],
});
try {
  const { testModules, unhandledErrors } = await vitest.collect([], { staticParse: false });
  const broken = testModules.flatMap((module) => module.errors());
  if (unhandledErrors.length > 0 || broken.length > 0) {
    throw new Error(`tests can't be listed: ${JSON.stringify([...unhandledErrors, ...broken])}`);
  }
  const tests = testModules.flatMap((module) =>
    [...module.children.allTests()].map(
      (test): ListedTest => ({ name: test.fullName, file: module.relativeModuleId }),
    ),
  );
  process.stdout.write(JSON.stringify(tests));
} finally {
  await vitest.close();
}
