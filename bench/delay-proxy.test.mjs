import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { after, before, test } from 'node:test'
import { startDelayProxy } from './delay-proxy.mjs'

const DELAY = 25

let echo
let proxy

before(async () => {
  echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  proxy = await startDelayProxy({ host: '127.0.0.1', port: echo.address().port, delay: DELAY })
})

after(async () => {
  await proxy.stop()
  echo.close()
})

async function roundTrip(data) {
  const socket = connect({ host: '127.0.0.1', port: proxy.port, noDelay: true, allowHalfOpen: true })
  await once(socket, 'connect')
  const start = performance.now()
  socket.end(data)
  const chunks = []
  for await (const chunk of socket) chunks.push(chunk)
  return { data: Buffer.concat(chunks), elapsed: performance.now() - start }
}

test('a byte is held once each way, and so is the end', async () => {
  const { data, elapsed } = await roundTrip(Buffer.from('x'))
  assert.equal(data.toString(), 'x')
  // Timers fire late on a busy machine, never much too early.
  assert.ok(elapsed > 2 * DELAY - 2, `${elapsed} ms`)
})

test('much data keeps its order, and waits together, not one piece after the other', async () => {
  const sent = randomBytes(8 << 20)
  const { data, elapsed } = await roundTrip(sent)
  assert.ok(data.equals(sent))
  // In pieces of 64 KiB, one after the other, it would take more than three seconds each way.
  assert.ok(elapsed < 3000, `${elapsed} ms`)
})
