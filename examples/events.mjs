// Watching a pool.
import { SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

// #region events
const pool = new SSHConnectionPool()

pool.on('connection:created', (host, milliseconds) => console.log('created', host, milliseconds > 0))
pool.on('connection:reused', (host) => console.log('reused', host))
pool.on('connection:closed', (host, reason) => console.log('closed', host, reason))
pool.on('connection:failed', (host, error) => console.log('failed', host, error.code))

await pool.exec(target, 'true')
await pool.exec(target, 'true')

const { totalConnections, idleConnections, poolHits, poolMisses } = pool.getStats()
console.log({ totalConnections, idleConnections, poolHits, poolMisses })

await pool.closeAll()
// #endregion
