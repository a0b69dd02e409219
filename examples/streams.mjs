// Live streams: lines as they come, input while the command runs, terminals.
import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

const pool = new SSHConnectionPool()

// #region lines
const build = pool.spawn(target, 'echo compiling; echo linking; exit 3')
for await (const line of build) console.log(line)
const { exitCode, ok } = await build.done
console.log(exitCode, ok)
// #endregion

// #region input
const calculator = pool.spawn(target, 'while read a b; do echo $((a + b)); done')
calculator.stdin.write('1 2\n')
calculator.stdin.end('20 22\n')
for await (const sum of calculator) console.log(sum)
// #endregion

// #region file
const backup = pool.spawn(target, 'tar -C /etc -cf - hostname')
backup.stderr.resume()
await pipeline(backup.stdout, createWriteStream('/dev/null'))
console.log((await backup.done).exitCode)
// #endregion

// #region follow
const log = pool.spawn(target, 'while :; do echo tick; sleep 0.05; done')
let ticks = 0
for await (const line of log) {
  console.log(line)
  if (++ticks === 2) break // ends the remote command
}
// #endregion

// #region terminal
const shell = pool.spawn(target, 'stty size', { pty: { columns: 120, rows: 40 } })
for await (const line of shell) console.log(line)
// #endregion

// #region signal
const worker = pool.spawn(target, 'trap "echo bye; exit 0" HUP; echo ready; while :; do sleep 0.05; done')
for await (const line of worker) {
  console.log(line)
  if (line === 'ready') worker.kill('SIGHUP')
}
// #endregion
