import { defineConfig, mergeConfig } from 'vitest/config'
import usual from './vitest.config.mjs'

/** The suites that want a real cluster: `npm run test:cluster`. */
export default mergeConfig({ ...usual, test: { ...usual.test, include: [] } }, defineConfig({ test: { include: ['__test__/**/*.cluster.ts'] } }))
