// Commands as root. The account needs a rule in the server's sudoers; SUDO_PASSWORD is what its sudo asks for, if it asks.
import { SSHConnectionPool, XecNativeError } from '@xec-sh/native'
import { target } from './support/target.mjs'

const pool = new SSHConnectionPool()
const { SUDO_PASSWORD: password } = process.env

// #region root
const asRoot = { ...target, sudo: { enabled: true, password } }
const who = await pool.exec(asRoot, 'id -un; pwd; cat', { cwd: '/root', stdin: 'input as usual\n' })
console.log(who.stdout.trim())
// #endregion

// #region user
const asDaemon = { ...target, sudo: { enabled: true, password, user: 'daemon' } }
console.log((await pool.exec(asDaemon, 'id -un')).stdout.trim())
// #endregion

// #region shell
const shell = await pool.session(asRoot, { cwd: '/root' })
await shell.execute('cd /etc')
console.log((await shell.execute('id -un; pwd')).stdout.trim())
await shell.close()
// #endregion

// #region files
const files = await pool.sftp(asRoot)
console.log((await files.stat('/etc/shadow')).isFile())
await files.close()
// #endregion

// #region terminal
const { stdout } = await pool.exec(asRoot, 'tty >/dev/null && id -un', { pty: true })
console.log(stdout.trim())
// #endregion

// #region refused
try {
  await pool.exec({ ...target, sudo: { enabled: true, password: 'not this one' } }, 'systemctl restart app')
} catch (error) {
  if (!(error instanceof XecNativeError)) throw error
  console.log(error.code, error.kind)
}
// #endregion

await pool.dispose()
