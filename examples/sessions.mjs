// A shell that keeps what its commands do to it, and plain commands in warm shells.
import { SSHConnectionPool, XecNativeError } from '@xec-sh/native'
import { target } from './support/target.mjs'

const pool = new SSHConnectionPool()

// #region session
const session = await pool.session(target, { cwd: '/tmp', env: { STAGE: 'test' } })
await session.execute('mkdir -p sessions-example && cd sessions-example')
await session.execute('greet() { echo "$1 from $STAGE in ${PWD##*/}"; }')
const greeting = await session.execute('greet hello')
console.log(greeting.stdout.trim(), greeting.exitCode)
await session.execute('cd .. && rmdir sessions-example')
await session.close()
// #endregion

// #region input
const shell = await pool.session(target)
const fed = await shell.execute(`while read -r word; do last=$word; done <<'END'
first
second
END
echo "$last"`)
console.log(fed.stdout.trim())
// #endregion

// #region stdin
await shell.execute('read -r first; export first', { stdin: 'kept\nnot read\n' })
console.log((await shell.execute('echo "$first"')).stdout.trim())
// #endregion

// #region ended
const ended = await shell.execute('echo leaving; exit 3')
console.log(ended.stdout.trim(), ended.exitCode, shell.closed)
try {
  await shell.execute('echo never')
} catch (error) {
  if (!(error instanceof XecNativeError)) throw error
  console.log(error.code, error.reached)
}
// #endregion

// #region persistent
const fast = new SSHConnectionPool({ shell: 'persistent' })
const first = await fast.exec(target, 'cd /tmp; export LEFT=behind; pwd')
const second = await fast.exec(target, 'echo "${LEFT-nothing} is left"')
console.log(first.stdout.trim(), second.stdout.trim())
await fast.dispose()
// #endregion

// #region call
const once = await pool.exec(target, 'echo one call', { shell: 'persistent' })
console.log(once.stdout.trim())
// #endregion

await pool.dispose()
