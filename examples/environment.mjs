// A pool that the environment configures.
import { target } from './support/target.mjs'

// #region environment
import { executeSSHCommand, getGlobalPool } from '@xec-sh/native'

// Set outside, as a rule. Read when the pool is used for the first time.
process.env.SSH_POOL_MAX_CONNECTIONS = '2'

await executeSSHCommand(target, 'uptime')
await executeSSHCommand(target, 'uptime')

const { poolHits, poolMisses, activeConnections, idleConnections, totalConnections } = getGlobalPool().getStats()
console.log({ poolHits, poolMisses, activeConnections, idleConnections, totalConnections })
// #endregion

// #region exhausted
const three = await Promise.allSettled([1, 2, 3].map(() => executeSSHCommand(target, 'sleep 0.3')))
for (const { reason } of three) if (reason !== undefined) console.log(reason.code, reason.message.endsWith('(max: 2)'))
// #endregion

// #region bad-value
await getGlobalPool().dispose()
process.env.SSH_POOL_IDLE_TIMEOUT_MS = 'one minute'
try {
  getGlobalPool()
} catch (error) {
  console.log(error.code, error.option)
}
// #endregion
