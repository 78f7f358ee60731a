import { defineConfig } from 'vitest/config';

/** What takes the whole machine: apart from the tests that every change is to pass. */
export default defineConfig({
  test: {
    name: 'load',
    include: ['test/load/**/*.test.ts'],
    globalSetup: 'test/support/global-setup.ts',
    testTimeout: 600_000,
    hookTimeout: 60_000,
    disableConsoleIntercept: true,
  },
});
