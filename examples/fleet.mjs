// One command on many hosts.
import { SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

const pool = new SSHConnectionPool()
const targets = [target, { ...target, port: 1 }, target]

// #region fleet
const fleet = await pool.execAll(targets, 'hostname >/dev/null && echo up', {
  concurrency: 10,
  timeout: 30_000,
  onProgress: ({ done, total }) => console.log(`${done} of ${total}`),
})

console.log(fleet.ok, fleet.completed, fleet.failed, fleet.aborted)
for (const { index, status, result, error } of fleet.outcomes) {
  console.log(index, status, result?.stdout.trim() ?? error.code)
}
// #endregion
