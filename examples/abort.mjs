// Ending a command early: the remote process ends too.
import { SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

const pool = new SSHConnectionPool()

// #region abort
const controller = new AbortController()
const running = pool.exec(target, 'sleep 60', { signal: controller.signal })
setTimeout(() => { controller.abort(new Error('no longer needed')) }, 200)

try {
  await running
} catch (error) {
  console.log(error.name, error.code, error.cause.message)
}
// #endregion
