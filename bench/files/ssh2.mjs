// ssh2's fastPut and fastGet with their defaults, and setNoDelay, which makes it fast.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import ssh2 from 'ssh2'

export const label = 'ssh2 1.17, fastPut and fastGet'

export async function open({ host, port, username, privateKey }) {
  const client = new ssh2.Client()
  client.connect({ host, port, username, privateKey: readFileSync(privateKey) }).setNoDelay(true)
  await once(client, 'ready')
  const sftp = await promisify(client.sftp).call(client)
  return {
    put: promisify(sftp.fastPut).bind(sftp),
    get: promisify(sftp.fastGet).bind(sftp),
    async close() {
      client.end()
      await once(client, 'close')
    },
  }
}
