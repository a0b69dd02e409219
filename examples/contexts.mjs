// A connection's life by hand, on the context that `$.ssh` gives.
import { target } from './support/target.mjs'

// #region connect
import { $ } from '@xec-sh/native/xec'

const server = $.ssh(target)
server.on('ready', () => server.setKeepAlive(true, 10_000))
await server.connect()
console.log(await server`echo the connection was there already`.text())

if (!await server.isHealthy()) await server.reconnect()
console.log(await server.cd('/usr').isHealthy())
await server.disconnect()
// #endregion

// #region failure
const nobody = $.ssh({ ...target, port: 1, poolConfig: { autoReconnect: false } })
try {
  await nobody`uptime`
} catch (error) {
  console.log(error.name, error.kind)
}
console.log(await nobody.isHealthy())
// #endregion
