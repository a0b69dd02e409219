// Through other hosts and proxies. The examples' one server plays every part.
import { SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

const pool = new SSHConnectionPool()
const bastion = target

// #region jump
const inside = { ...target, jumpHost: bastion }
const { stdout } = await pool.exec(inside, 'echo "inside as $(id -un)"')
console.log(stdout.trim())

// The connection to the bastion is in the pool as well, and serves every target behind it.
console.log(pool.getConnections().map(({ channels, state }) => `${state} ${channels}`))
// #endregion

// #region several
const far = { ...target, jumpHost: [bastion, target] }
console.log((await pool.exec(far, 'echo "two hops away"')).stdout.trim())
// #endregion

// #region failing
try {
  await pool.exec({ ...target, jumpHost: { ...bastion, port: 1 } }, 'uptime')
} catch (error) {
  console.log(error.code, error.kind, error.message.includes('Jump host'))
}
// #endregion

// #region command
const throughCommand = {
  ...target,
  proxy: { command: 'echo "%h is out of reach" >&2; exit 1' },
}
try {
  await pool.exec(throughCommand, 'uptime')
} catch (error) {
  console.log(error.code, error.message.split(': ').at(-1))
}
// #endregion

// #region proxy
const throughProxy = { ...target, proxy: 'socks5://user:secret@127.0.0.1:1' }
try {
  await pool.exec(throughProxy, 'uptime')
} catch (error) {
  console.log(error.code, error.kind, error.message.includes('secret'))
}
// #endregion

await pool.dispose()
