// @xec-sh/core with its SSH commands on the native pool.
import { target } from './support/target.mjs'

// #region install
import { $ } from '@xec-sh/core'
import { install } from '@xec-sh/native/xec'

install($)

const ssh = $.ssh({ ...target, poolConfig: { maxConnections: 2 } })
console.log(await ssh`echo ${'quoted; as before'}`.text())
// #endregion

// #region failure
const result = await ssh`exit 3`.nothrow()
console.log(result.exitCode, result.ok)
// #endregion

// #region events
import { SSHConnectionPool } from '@xec-sh/native'

const pool = SSHConnectionPool.getInstance()
console.log(pool.getStats().poolHits > 0)

const { adapter, uninstall } = install($)
adapter.on('ssh:execute', ({ host, command }) => console.log('execute', host, command))
await ssh`true`
await uninstall()
// #endregion
