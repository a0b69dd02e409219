// Running commands: output, exit code, directory, environment, input.
import { SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

// #region run
const pool = new SSHConnectionPool()

const { stdout } = await pool.exec(target, 'echo "hello from $(id -un)"')
console.log(stdout.trim())

const sorted = await pool.exec(target, 'sort > sorted.txt && cat sorted.txt && rm sorted.txt', {
  cwd: '/tmp',
  env: { LC_ALL: 'C' },
  stdin: 'pear\napple\n',
})
console.log(sorted.stdout.split('\n')[0], sorted.exitCode)
// #endregion

// #region status
const missing = await pool.exec(target, 'ls /no/such/path')
console.log(missing.ok, missing.exitCode !== 0)

const killed = await pool.exec(target, 'kill -9 $$')
console.log(killed.exitCode, killed.signal)
// #endregion

// #region bytes
const image = await pool.exec(target, String.raw`printf '\211PNG'`, { encoding: 'buffer' })
console.log(image.stdout[0] === 0x89)
// #endregion
