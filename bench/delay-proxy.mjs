// A TCP proxy that holds every byte for a while, each way: a long line without a long line. It keeps the order and
// does not limit the throughput.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** Beyond this much held data the sender has to wait. */
const HELD = 64 << 20

/** Listens on loopback and forwards to `host:port`, `delay` milliseconds later; resolves with `{ port, stop }`. */
export async function startDelayProxy({ host, port, delay }) {
  const sockets = new Set()
  // Half-open: one side may have said all it has to say and still listen.
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ host, port, noDelay: true, allowHalfOpen: true })
    near.setNoDelay(true)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    }
    hold(near, far, delay)
    hold(far, near, delay)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const stop = async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  }
  return { port: server.address().port, stop }
}

function hold(from, to, delay) {
  const queue = []
  let held = 0
  let timer
  const wait = () => { timer ??= setTimeout(release, Math.max(0, queue[0].due - performance.now())) }
  const put = (chunk) => {
    queue.push({ chunk, due: performance.now() + delay })
    held += chunk?.length ?? 0
    if (held > HELD) from.pause()
    wait()
  }
  // A timer may fire a little early; what is due within its millisecond goes now, so that nothing is held twice.
  const release = () => {
    timer = undefined
    while (queue.length > 0 && queue[0].due - performance.now() < 0.5) forward(queue.shift().chunk)
    if (queue.length > 0) wait()
  }
  const forward = (chunk) => {
    if (chunk === null) return to.end()
    held -= chunk.length
    to.write(chunk)
    if (held <= HELD) from.resume()
  }
  from.on('data', put).once('end', () => put(null)).on('error', () => to.destroy())
  // An orderly close is no reason to cut the other direction: what is held there is still on its way.
  to.once('close', (hadError) => {
    clearTimeout(timer)
    if (hadError) from.destroy()
  })
}
