// Telling failures apart.
import { SSHConnectionPool, XecNativeError } from '@xec-sh/native'
import { target } from './support/target.mjs'

const pool = new SSHConnectionPool()

// #region errors
async function tryIt(where, command, options) {
  try {
    const { exitCode } = await pool.exec(where, command, options)
    return `exit ${exitCode}`
  } catch (error) {
    if (!(error instanceof XecNativeError)) throw error
    return `${error.code} ${error.kind} in ${error.phase ?? 'the call'}, reached: ${error.reached}`
  }
}

console.log(await tryIt(target, 'exit 3'))
console.log(await tryIt({ ...target, host: 'no-such-host.invalid' }, 'uptime'))
console.log(await tryIt(target, 'sleep 10', { timeout: 200 }))
console.log(await tryIt(target, 'yes', { maxBuffer: 1024 }))
console.log(await tryIt({ ...target, port: 0 }, 'uptime'))
// #endregion
