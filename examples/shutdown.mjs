// Ending in good order.
import { once } from 'node:events'
import { target } from './support/target.mjs'

// #region shutdown
import { SSHConnectionPool, installShutdownHandlers } from '@xec-sh/native'

const pool = new SSHConnectionPool()
const uninstall = installShutdownHandlers({
  pools: [SSHConnectionPool.getInstance(), pool],
  timeout: 20_000,
})
// #endregion
uninstall()

// #region keep-going
// On SIGUSR2 close the connections and go on: after a change of credentials, for example.
installShutdownHandlers({ pools: [pool], signals: ['SIGUSR2'], exit: false })
const drained = once(pool, 'drain')

const running = pool.exec(target, 'sleep 0.2; echo ended in peace')
process.kill(process.pid, 'SIGUSR2')
console.log((await running).stdout.trim())
await drained
console.log('all connections are closed')
// #endregion
