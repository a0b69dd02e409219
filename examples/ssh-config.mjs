// Targets named as in ~/.ssh/config. Here the file is made for the occasion.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

const folder = mkdtempSync(join(tmpdir(), 'xec-example-'))
const file = join(folder, 'config')
writeFileSync(file, `Host web
  HostName ${target.host}
Host *
  Port ${target.port}
  User ${target.username}
  IdentityFile ${target.privateKey}
  UserKnownHostsFile ${target.knownHostsPath}
  StrictHostKeyChecking accept-new
`)

// #region config
const pool = new SSHConnectionPool()

// `sshConfig: true` reads ~/.ssh/config and /etc/ssh/ssh_config; a path only that file.
const web = { host: 'web', sshConfig: file }
const { stdout } = await pool.exec(web, 'echo "logged in as $(id -un)"')
console.log(stdout.trim())
// #endregion

// #region wins
try {
  await pool.exec({ ...web, port: 1 }, 'uptime')
} catch (error) {
  console.log(error.code)
}
// #endregion

writeFileSync(file, 'Host web\n  Port twenty-two\n')
// #region broken
try {
  await pool.exec(web, 'uptime')
} catch (error) {
  console.log(error.code, error.message.split('/').at(-1))
}
// #endregion

await pool.dispose()
rmSync(folder, { recursive: true })
