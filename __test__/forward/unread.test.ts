import { once } from 'node:events'
import { type Server, type Socket, connect } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Forward, SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { exchange, listen } from '../support/sockets'
import { until } from '../support/wait'

const MIB = 1024 * 1024

let server: OpenSSHServer
let pool: SSHConnectionPool
let echo: { server: Server; port: number }
/** Writes for as long as somebody takes it. */
let endless: { server: Server; port: number }
let written: number

beforeAll(async () => {
  server = await OpenSSHServer.start()
  echo = await listen((socket) => { socket.pipe(socket) })
  endless = await listen((socket) => {
    const piece = Buffer.alloc(64 * 1024)
    const write = (): void => {
      while (!socket.destroyed) {
        written += piece.length
        if (!socket.write(piece)) return void socket.once('drain', write)
      }
    }
    write()
  })
})

afterAll(async () => {
  echo.server.close()
  endless.server.close()
  await server.stop()
})

beforeEach(() => {
  written = 0
  pool = new SSHConnectionPool()
})
afterEach(async () => { await pool.dispose() })

/** A client that reads nothing. */
function unread(forward: Forward): Socket {
  const socket = connect({ port: forward.localPort, host: '127.0.0.1' })
  return socket.pause().on('error', () => undefined)
}

async function heldBack(): Promise<void> {
  let before = -1
  let since = performance.now()
  await until('the source is held back', () => {
    if (written !== before || written === 0) {
      before = written
      since = performance.now()
    }
    return performance.now() - since > 300
  }, 20_000)
}

/** A client whose every exchange is one more proof that nothing stands still. */
class Sibling {
  readonly socket: Socket
  constructor(forward: Forward) {
    this.socket = connect({ port: forward.localPort, host: '127.0.0.1' })
  }

  async proves(): Promise<void> {
    this.socket.write('ping')
    expect(String((await once(this.socket, 'data'))[0])).toBe('ping')
  }
}

describe('a client that reads nothing', () => {
  it('alone is waited for; what comes later is not held up, on whichever forward of the connection', async () => {
    await using big = await pool.forwardLocal(server.target(), { remotePort: endless.port })
    await using small = await pool.forwardLocal(server.target(), { remotePort: echo.port })
    const slow = unread(big)
    await heldBack()
    expect(written).toBeLessThan(32 * MIB)
    expect(pool.getStats().totalConnections).toBe(1)
    expect(await exchange(small.localPort, 'well')).toBe('well')
    await using later = await pool.forwardRemote(server.target(), { localPort: echo.port })
    expect(await exchange(later.remotePort, 'well, too')).toBe('well, too')
    expect(big.stats()).toMatchObject({ active: 1, failed: 0 })
    slow.destroy()
    await until('its connection is over', () => big.stats().active === 0)
  })

  it('is cut off when too much waits for it, and its siblings go on', async () => {
    await using big = await pool.forwardLocal(server.target(), { remotePort: endless.port })
    await using small = await pool.forwardLocal(server.target(), { remotePort: echo.port })
    const sibling = new Sibling(small)
    await sibling.proves()
    const cut = once(big, 'error')
    const slow = unread(big)
    const closed = once(slow, 'close')
    const before = process.memoryUsage().rss
    while (big.stats().failed === 0) await sibling.proves()
    expect((await cut)[0]).toMatchObject({ code: 'EFORWARDSTALLED', kind: 'unknown', phase: 'transfer' })
    expect((process.memoryUsage().rss - before) / MIB).toBeLessThan(200)
    await sibling.proves()
    await until('it is over', () => big.stats().active === 0)
    expect(big.stats()).toMatchObject({ connections: 1, failed: 1 })
    slow.resume()
    await closed
    sibling.socket.destroy()
  }, 60_000)

  it('makes new clients go elsewhere', async () => {
    await using big = await pool.forwardLocal(server.target(), { remotePort: endless.port })
    await using small = await pool.forwardLocal(server.target(), { remotePort: echo.port })
    const sibling = new Sibling(small)
    await sibling.proves()
    const slow = unread(big)
    // Until so much waits for the one that the others are sent away; before that, they are served as well.
    while (pool.getStats().totalConnections < 2) {
      expect(await exchange(small.localPort, 'elsewhere')).toBe('elsewhere')
      expect(big.stats().failed).toBe(0)
    }
    expect(await exchange(small.localPort, 'elsewhere')).toBe('elsewhere')
    slow.destroy()
    sibling.socket.destroy()
    await until('all is over', () => big.stats().active + small.stats().active === 0)
    expect(await exchange(small.localPort, 'again')).toBe('again')
  })
})
