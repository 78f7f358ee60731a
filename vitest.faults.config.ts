import { defineConfig } from 'vitest/config';

/** Faults that take long: apart from the tests that every change is to pass. */
export default defineConfig({
  test: {
    name: 'faults',
    // Some kill servers that others would need.
    fileParallelism: false,
    include: ['test/faults/**/*.test.ts'],
    globalSetup: 'test/support/global-setup.ts',
    testTimeout: 600_000,
    hookTimeout: 60_000,
    disableConsoleIntercept: true,
  },
});
