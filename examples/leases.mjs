// Borrowing a connection: commands that need not wait for a turn, its health, its end.
import { SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

// #region lease
const pool = new SSHConnectionPool({ maxConnections: 1, channelsPerConnection: 1 })

const connection = await pool.getConnection(target, { priority: 10, timeout: 5_000 })
try {
  console.log((await connection.exec('echo step one')).stdout.trim())
  console.log((await connection.exec('echo step two')).stdout.trim())
} finally {
  connection.release()
}
// #endregion

// #region health
const other = await pool.getConnection(target)
console.log(await other.isHealthy())
other.setKeepAlive(true, 10_000)
await other.reconnect()
console.log(await other.isHealthy({ timeout: 1_000 }))
pool.releaseConnection(other)
// #endregion

// #region leak
pool.configureHost('*', { leakDetectionThreshold: 50 })
pool.once('connection:leaked', (host, error) => {
  console.log(error.code, error.cause.stack.includes('leases.mjs'))
})
const forgotten = await pool.getConnection(target)
// #endregion
await new Promise((resolve) => { setTimeout(resolve, 200) })
forgotten.release()
