// Connections that are open before they are needed.
import { ConnectionWarmer, SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

const pool = new SSHConnectionPool()

// #region warming
const warmer = new ConnectionWarmer(pool, { limit: 5, connections: 2 })

// Commands that run through it are counted; `record(target)` counts those that do not.
await warmer.exec(target, 'true')
console.log(warmer.getPredictions().map(({ host }) => host))

// Now, and every minute from now on, without keeping the program alive.
const report = await warmer.warm()
console.log(report.ok, report.ready)
const stop = warmer.schedule(60_000)
// #endregion
stop()
