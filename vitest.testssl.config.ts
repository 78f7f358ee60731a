import { defineConfig } from 'vitest/config';

/** What takes minutes and only looks at TLS: apart from the tests that every change is to pass. */
export default defineConfig({
  test: {
    name: 'testssl',
    include: ['test/testssl/**/*.test.ts'],
    globalSetup: 'test/support/global-setup.ts',
    hookTimeout: 60_000,
  },
});
