// ssh2, with the one call that makes it fast: setNoDelay.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import ssh2 from 'ssh2'

export const label = 'ssh2 1.17, setNoDelay'

async function connect({ host, port, username, privateKey }) {
  const client = new ssh2.Client()
  // A connection that the server cuts is an 'error'; the command on it fails by itself.
  client.connect({ host, port, username, privateKey: readFileSync(privateKey) }).setNoDelay(true)
  await once(client, 'ready')
  return client
}

const exec = (client, command) => new Promise((resolve, reject) => {
  client.exec(command, (error, stream) => {
    if (error) return reject(error)
    const chunks = []
    stream.on('data', (chunk) => chunks.push(chunk)).stderr.resume()
    stream.once('close', () => resolve(Buffer.concat(chunks).toString()))
  })
})

async function disconnect(client) {
  client.end()
  await once(client, 'close')
}

/** `connections`: ssh2 has no pool, so its best may need more than one connection. */
export function open(target, { connections = 1 } = {}) {
  let clients
  let turn = 0
  const ready = () => (clients ??= Promise.all(Array.from({ length: connections }, () => connect(target))))
  const closeAll = async () => {
    await Promise.all((await (clients ?? [])).map(disconnect))
    clients = undefined
  }
  return {
    async run(command) {
      const all = await ready()
      return exec(all[turn++ % all.length], command)
    },
    handshakes: (count, command) => Promise.all(Array.from({ length: count }, async () => {
      const client = await connect(target)
      const output = await exec(client, command)
      await disconnect(client)
      return output
    })),
    reconnect: closeAll,
    close: closeAll,
  }
}
