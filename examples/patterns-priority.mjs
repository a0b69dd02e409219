// What is urgent goes first. This is part of the pool: no pattern is needed.
import { SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

// #region priority
const pool = new SSHConnectionPool({ maxConnections: 1, channelsPerConnection: 1 })

const run = async (name, command, priority) => {
  await pool.exec(target, command, { priority })
  console.log(name)
}

await pool.warmUp([target])
await Promise.all([
  run('begun before the others came', 'sleep 0.3', 0),
  run('report', 'sleep 0.2', -10),
  run('usual', 'sleep 0.2', 0),
  run('urgent', 'sleep 0.2', 10),
])
// #endregion
