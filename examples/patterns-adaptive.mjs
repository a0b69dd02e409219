// Settings that follow how a host is used.
import { AdaptiveConfig, SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

const pool = new SSHConnectionPool()

// #region adaptive
const adaptive = new AdaptiveConfig(pool)
console.log(adaptive.configFor(target))

for (let i = 0; i < 10; i++) await adaptive.exec(target, 'true')
console.log(adaptive.configFor(target))

const { useCount, averageDuration } = adaptive.getUsage(target)
console.log(useCount, averageDuration < 1_000)
// #endregion
