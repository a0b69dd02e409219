// Many commands at once, under limits.
import { SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

// #region limits
const pool = new SSHConnectionPool({
  maxConnections: 4,            // per host and port, over all logins
  maxTotalConnections: 50,      // over all hosts
  idleTimeout: 60_000,
  hosts: { 'db-*': { maxConnections: 1 } },
})
pool.configureHost(/\.staging\.example\.com$/, { connectionTimeout: 5_000 })

const numbers = Array.from({ length: 200 }, (_, i) => i)
const results = await Promise.all(numbers.map((i) => pool.exec(target, `echo ${i}`)))
console.log(results.every(({ stdout }, i) => stdout === `${i}\n`), pool.getStats().connectionsCreated <= 4)
// #endregion

// #region dispose
const scoped = new SSHConnectionPool()
try {
  await scoped.exec(target, 'true')
} finally {
  await scoped.dispose()
}
console.log(scoped.getConnections().length)
// #endregion
