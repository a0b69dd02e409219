// Connections ahead of need, through failures, and to a clean end.
import { SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

// #region configure
const pool = new SSHConnectionPool({
  minIdle: 1,
  healthCheck: { interval: 60_000, command: 'echo alive', failureThreshold: 3 },
  reconnect: { maxRetries: 3, initialDelay: 1_000, maxDelay: 30_000, backoff: 'exponential' },
})
pool.on('connection:reconnecting', (host, attempt) => console.log('reconnecting', host, attempt))
pool.on('connection:unhealthy', (host, error) => console.log('unhealthy', host, error.message))
// #endregion

// #region warm-up
const report = await pool.warmUp([target, { ...target, port: 1, poolConfig: { autoReconnect: false } }], { connections: 2 })
console.log(report.ok, report.ready, report.requested)
for (const { ready, error } of report.hosts) console.log(ready, error?.code)
// #endregion

// #region drain
const running = pool.exec(target, 'sleep 0.2; echo finished')
const drained = pool.drain({ timeout: 10_000 })
console.log((await running).stdout.trim(), await drained)
// #endregion

await pool.dispose()
