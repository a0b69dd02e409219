// One connection for several processes: `ssh` over ours, and ours over that of `ssh -M`.
import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

const ssh = promisify(execFile).bind(undefined, 'ssh')
const directory = mkdtempSync(join(tmpdir(), 'xec-control-'))

// #region serve
const pool = new SSHConnectionPool()
const shared = {
  ...target,
  controlMaster: 'auto',
  controlPath: `${directory}/%r@%h:%p`, // '~/.ssh/cm_%r@%h:%p' in a real program
  controlPersist: '10m',
}
await pool.exec(shared, 'true')
// #endregion

const path = join(directory, `${target.username}@${target.host}:${target.port}`)

// #region ssh
// As in a shell: ssh -S ~/.ssh/cm_deploy@build:22 build 'echo "$(id -un) is here"; exit 3'
const other = await ssh(['-F', 'none', '-S', path, target.host, 'echo "$(id -un) is here"; exit 3']).catch((error) => error)
console.log(other.stdout.trim(), other.code)
console.log((await ssh(['-F', 'none', '-S', path, '-O', 'check', target.host])).stderr.includes(`pid=${process.pid}`))
// #endregion

await pool.closeAll()
console.log(existsSync(path))

const login = ['-i', target.privateKey, '-p', String(target.port), '-o', `UserKnownHostsFile=${target.knownHostsPath}`]
execFileSync('ssh', ['-F', 'none', '-q', ...login, '-M', '-N', '-f', '-S', path, `${target.username}@${target.host}`], { stdio: 'ignore' })

// #region use
// After: ssh -M -N -f -S ~/.ssh/cm_deploy@build:22 deploy@build. No key, no password: the master has logged in.
const { host, port, username } = target
const result = await pool.exec({ host, port, username, controlPath: `${directory}/%r@%h:%p` }, 'cat; exit 4', { stdin: 'through ssh\n' })
console.log(result.stdout.trim(), result.exitCode)
// #endregion

// #region forward
const tunnel = await pool.forwardLocal({ host, port, username, controlPath: `${directory}/%r@%h:%p` }, { remotePort: port })
const [greeting] = await once(createConnection(tunnel.localPort), 'data')
console.log(greeting.toString().startsWith('SSH-2.0-'))
await tunnel.close()
// #endregion

await ssh(['-F', 'none', '-q', '-S', path, '-O', 'exit', target.host])
await pool.dispose()
rmSync(directory, { recursive: true })
