import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { listen } from '../support/sockets'
import { until } from '../support/wait'

const MIB = 1024 * 1024
const SIZE = 1024 * MIB

let server: OpenSSHServer
let pool: SSHConnectionPool

beforeAll(async () => {
  server = await OpenSSHServer.start()
  pool = new SSHConnectionPool()
})

afterAll(async () => {
  await pool.dispose()
  await server.stop()
})

/** The most memory that this process has while `work` runs, above what it had before. */
async function growth(work: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage.rss()
  let most = before
  const looking = setInterval(() => { most = Math.max(most, process.memoryUsage.rss()) }, 20)
  try {
    await work()
  } finally {
    clearInterval(looking)
  }
  return (most - before) / MIB
}

it('1 GiB through a local forward: flat memory, right counts', async () => {
  const piece = Buffer.alloc(MIB, 'x')
  const source = await listen((socket) => {
    socket.resume()
    let left = SIZE
    const write = (): void => {
      while (left > 0) {
        left -= piece.length
        if (!socket.write(piece)) return void socket.once('drain', write)
      }
      socket.end()
    }
    write()
  })
  await using forward = await pool.forwardLocal(server.target(), { remotePort: source.port })
  let received = 0
  const grown = await growth(async () => {
    // Into one buffer again and again: what grows is not ours.
    const socket = connect({
      port: forward.localPort, host: '127.0.0.1', onread: { buffer: Buffer.alloc(MIB), callback: (length) => { received += length; return true } },
    })
    socket.write('x')
    await once(socket, 'close')
  })
  source.server.close()
  expect(received).toBe(SIZE)
  // 64 MiB may wait in a forward, and what is on its way is in russh and in the sockets here.
  expect(grown).toBeLessThan(160)
  await until('its connection is over', () => forward.stats().active === 0)
  expect(forward.stats()).toMatchObject({ connections: 1, failed: 0, bytesIn: SIZE, bytesOut: 1, reconnects: 0 })
}, 120_000)
