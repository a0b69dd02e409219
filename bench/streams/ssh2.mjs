// ssh2's exec, with setNoDelay, which makes it fast.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import ssh2 from 'ssh2'
import { emptied, filled } from './bytes.mjs'

export const label = 'ssh2 1.17, exec'

export async function open({ host, port, username, privateKey }) {
  const client = new ssh2.Client()
  client.connect({ host, port, username, privateKey: readFileSync(privateKey) }).setNoDelay(true)
  await once(client, 'ready')
  const exec = promisify(client.exec).bind(client)
  return {
    async stdout(size) {
      const stream = await exec(`head -c ${size} /dev/zero`)
      const closed = once(stream, 'close')
      stream.stderr.resume()
      await emptied(stream, size)
      await closed
    },
    async stdin(size) {
      const stream = await exec('cat >/dev/null')
      const closed = once(stream, 'close')
      stream.resume()
      stream.stderr.resume()
      await filled(stream, size)
      await closed
    },
    async close() {
      client.end()
      await once(client, 'close')
    },
  }
}
