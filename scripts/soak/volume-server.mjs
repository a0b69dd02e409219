// What stands behind a forward, in a process of its own. A client says in a line what it wants: `get N` is N mebibytes, and after
// `put N` and as many it is told their hash.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { say } from '../support/terminal.mjs'
import { MEBIBYTE, blocks } from './volume.mjs'

const server = createServer((socket) => {
  socket.on('error', () => socket.destroy())
  socket.once('data', (head) => { serve(socket, head).catch(() => socket.destroy()) })
}).listen(0, '127.0.0.1', () => { say(`port ${server.address().port}`) })

async function serve(socket, head) {
  const end = head.indexOf('\n')
  const [what, size] = head.subarray(0, end).toString().split(' ')
  if (what === 'get') await give(socket, Number(size))
  else take(socket, head.subarray(end + 1), Number(size) * MEBIBYTE)
}

async function give(socket, size) {
  for (const block of blocks(size)) if (!socket.write(block)) await once(socket, 'drain')
  socket.end()
}

function take(socket, first, length) {
  const hash = createHash('sha256')
  let left = length
  const count = (chunk) => {
    hash.update(chunk)
    left -= chunk.length
    if (left <= 0) socket.end(hash.digest('hex'))
  }
  socket.on('data', count)
  if (first.length > 0) count(first)
}
