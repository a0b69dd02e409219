// Figures, and the channels of node:diagnostics_channel.
import { subscribe } from 'node:diagnostics_channel'
import { SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

// #region diagnostics
subscribe('xec.ssh.connection', ({ event, args }) => {
  if (event === 'connection:created') console.log('created', args[0])
})
// #endregion

const pool = new SSHConnectionPool()
for (let i = 0; i < 4; i++) await pool.exec(target, 'true')

// #region metrics
const { connectionsCreated, reuseCount, poolEfficiency, run } = pool.getMetrics()
console.log(connectionsCreated, reuseCount, poolEfficiency)
console.log(run.count, run.p50 <= run.p99, run.p99 <= run.max)

pool.resetMetrics()
console.log(pool.getMetrics().reuseCount, pool.getStats().connectionsReused)
// #endregion
