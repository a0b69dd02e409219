// How many connections, and how often to ask whether they are alive.
import { SSHConnectionPool, calculateOptimalPoolSize, optimizeKeepAlive } from '@xec-sh/native'
import { target } from './support/target.mjs'

// #region sizing
// 10 commands a second of 2 s each, at most 40 at once.
console.log(calculateOptimalPoolSize(10, 2_000, 40))
// The same when each connection carries 8 of them.
const maxConnections = calculateOptimalPoolSize(10, 2_000, 40, 8)

// 50 ms away, and silent connections are dropped after 5 minutes.
const keepAlive = optimizeKeepAlive(50, 300_000)
console.log(maxConnections, keepAlive)

const pool = new SSHConnectionPool({ maxConnections, channelsPerConnection: 8, ...keepAlive })
console.log((await pool.exec(target, 'true')).ok)
// #endregion
