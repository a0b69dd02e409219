// @xec-sh/native's spawn and streamLogs.
import { DockerAdapter, DockerConnectionPool } from '../../index.mjs'
import { emptied } from '../streams/bytes.mjs'

export const label = '@xec-sh/native'

export function open({ socketPath, container, talker }) {
  const pool = new DockerConnectionPool({ socketPath })
  const adapter = new DockerAdapter({ socketPath })
  return {
    async stdout(size) {
      const running = pool.spawn(container, `head -c ${size} /dev/zero`)
      running.stderr.resume()
      await emptied(running.stdout, size)
      await running.done
    },
    async follow(size) {
      const enough = new AbortController()
      let seen = 0
      const count = (line) => {
        seen += line.length
        if (seen >= size) enough.abort()
      }
      await adapter.streamLogs(talker, count, { follow: true, signal: enough.signal }).catch((error) => {
        if (!enough.signal.aborted) throw error
      })
    },
    async close() {
      await adapter.dispose()
      await pool.dispose()
    },
  }
}
