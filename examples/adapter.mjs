// SSHAdapter without @xec-sh/core.
import { CommandError, SSHAdapter } from '@xec-sh/native'
import { target } from './support/target.mjs'

// #region adapter
const adapter = new SSHAdapter({ defaultTimeout: 30_000, connectionPool: { maxConnections: 5 } })
const adapterOptions = { type: 'ssh', ...target }

adapter.on('ssh:connect', ({ host }) => console.log('connected to', host))

const result = await adapter.execute({ command: 'printf "%s\\n"', args: ['one argument; not two'], adapterOptions })
console.log(result.text())

try {
  await adapter.execute({ command: 'exit 7', adapterOptions })
} catch (error) {
  if (!(error instanceof CommandError)) throw error
  console.log(error.exitCode)
}

console.log(adapter.getConnectionPoolMetrics().reuseCount)
await adapter.dispose()
// #endregion
