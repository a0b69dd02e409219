import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['__test__/**/*.test.ts'],
    exclude: ['__test__/fixtures/**'],
    // Suites start real servers; more workers than the two cores of a small machine only make them wait.
    maxWorkers: 2,
    // On a machine that does other things besides, a time limit of somebody else's server may run out once; twice is a fault.
    // The reporter names what needed a second try.
    retry: process.env['CI'] === undefined ? 0 : 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    server: {
      deps: {
        // The package is tested as its users get it: by Node.js, not by the test runner's transformer.
        external: [/\/index\.m?js$/, /\/xec\.m?js$/, /\/dist\//, /binding\.cjs$/],
      },
    },
  },
})
