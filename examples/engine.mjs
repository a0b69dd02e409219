// The ready-made `$`, and one adapter of one's own.
import { target } from './support/target.mjs'

// #region engine
import { SSHAdapter } from '@xec-sh/native'
import { $ } from '@xec-sh/native/xec'

console.log(await $.ssh(target)`echo over the shared pool`.text())

const adapter = new SSHAdapter({ connectionPool: { maxConnections: 1 } })
const own = $.with({ adapter })
console.log(await own.ssh(target)`echo over a pool of its own`.text())
console.log(adapter.getConnectionPoolMetrics().connectionsCreated)
await adapter.dispose()
// #endregion
