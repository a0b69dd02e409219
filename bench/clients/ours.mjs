// @xec-sh/native with its default pool.
import { SSHConnectionPool } from '../../index.mjs'

export const label = '@xec-sh/native'

export function open(target) {
  let pool = new SSHConnectionPool()
  return {
    run: (command) => pool.exec(target, command).then((result) => result.stdout),
    /** A new connection each, all at once, one command on each. */
    async handshakes(count, command) {
      const fresh = new SSHConnectionPool({ maxConnections: count, channelsPerConnection: 1 })
      const outputs = await Promise.all(Array.from({ length: count }, () => fresh.exec(target, command)))
      await fresh.dispose()
      return outputs.map((result) => result.stdout)
    },
    async reconnect() {
      await pool.dispose()
      pool = new SSHConnectionPool()
    },
    close: () => pool.dispose(),
  }
}
