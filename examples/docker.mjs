// Commands in containers: DOCKER_HOST=unix:///var/run/docker.sock node examples/docker.mjs
// Needs a running container 'web' with a shell.
import { DockerConnectionPool, XecNativeError } from '@xec-sh/native'

// #region exec
const pool = new DockerConnectionPool()
const result = await pool.exec('web', 'echo "hello from $NAME"; ls /no/such', { env: { NAME: 'web' } })
console.log(result.stdout.trim(), result.exitCode !== 0, result.stderr.includes('/no/such'))

const sorted = await pool.exec('web', ['sort', '-r'], { stdin: 'a\nb\n', user: '1000', workdir: '/tmp' })
console.log(sorted.stdout.trim().split('\n'))
// #endregion

// #region early
try {
  await pool.exec('web', 'echo begun; sleep 600', { timeout: 1_000 })
} catch (error) {
  if (!(error instanceof XecNativeError)) throw error
  console.log(error.code, error.reached, String(error.stdout).trim())
}
// #endregion

// #region streams
for await (const line of pool.spawn('web', 'for i in 1 2 3; do echo "line $i"; done')) console.log(line)
// #endregion

// #region shells
const session = await pool.session('web', { cwd: '/tmp' })
await session.execute('export STAGE=test; cd /')
console.log((await session.execute('echo "$STAGE in $PWD"')).stdout.trim())
await session.close()

const warm = await pool.exec('web', 'echo in a warm shell', { shell: 'persistent' })
console.log(warm.stdout.trim())
// #endregion

// #region exec-session
const shell = pool.createExecSession('web', { Tty: true, Cmd: ['/bin/sh'] })
await shell.start()
shell.stdout.resume()
await shell.write('exit 3\n')
console.log((await shell.end())?.exitCode)
// #endregion

// #region api
const client = await pool.getClient()
const { body } = await client.request('GET', '/containers/web/json')
console.log(JSON.parse(body.toString()).Name)
try {
  await client.request('GET', '/containers/no-such/json')
} catch (error) {
  console.log(error.code, error.kind, error.status)
}
// #endregion

// #region figures
const { connectionsCreated, activeChannels } = pool.getStats()
console.log(connectionsCreated, activeChannels)
await pool.close()
// #endregion
