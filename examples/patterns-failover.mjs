// A primary host and its backups.
import { AllHostsFailedError, Failover, SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

const pool = new SSHConnectionPool()
const backup = target

// #region failover
const primary = { ...target, host: 'primary.invalid', poolConfig: { connectionTimeout: 5_000 } }

const failover = new Failover(pool, primary, [backup], {
  onFailover: (from, error) => console.log('not on', from.host, error.code),
})
console.log((await failover.exec('echo on the backup')).stdout.trim())
// #endregion

// #region all-failed
try {
  await new Failover(pool, primary, [{ ...backup, host: 'backup.invalid' }]).exec('uptime')
} catch (error) {
  if (!(error instanceof AllHostsFailedError)) throw error
  console.log(error.message, error.reached)
  for (const { host, code } of error.errors) console.log(host, code)
}
// #endregion
