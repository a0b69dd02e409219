// Parts of the cluster are killed and started again by who started them, for tests that run in other processes.
import { once } from 'node:events'
import { createServer } from 'node:http'

/** `POST /kill` or `/resume`, with the name of a part as its body; answered when it is done. */
export async function serveControl(socket, parts) {
  const server = createServer((request, response) => {
    perform(request, parts).then(() => response.end('done'), (error) => response.writeHead(500).end(String(error.stack)))
  })
  server.listen(socket)
  await once(server, 'listening')
  return server
}

async function perform(request, parts) {
  const name = Buffer.concat(await request.toArray()).toString()
  const part = parts[name]
  if (part === undefined) throw new Error(`there is no part '${name}', but ${Object.keys(parts).join(', ')}`)
  if (request.url === '/kill') return part.kill()
  if (request.url === '/resume') return part.resume()
  throw new Error(`what is ${request.url}?`)
}
