import type { Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Dropbear } from '../support/dropbear'
import { failureOf } from '../support/failure'
import { SSHConnectionPool, type SSHTarget } from '../support/native'
import { TEST_PASSWORD, TEST_USER } from '../support/openssh'
import { freePort } from '../support/ports'
import { comesToNothing, exchange, listen } from '../support/sockets'

let server: Dropbear
let pool: SSHConnectionPool
let echo: { server: Server; port: number }

const target = (of: Dropbear): SSHTarget =>
  ({ host: '127.0.0.1', port: of.port, username: TEST_USER, password: TEST_PASSWORD, knownHostsPath: of.knownHosts })

beforeAll(async () => {
  server = await Dropbear.start('127.0.0.1')
  pool = new SSHConnectionPool()
  echo = await listen((socket) => { socket.pipe(socket) })
})

afterAll(async () => {
  await pool.dispose()
  echo.server.close()
  await server.stop()
})

describe('forwards through dropbear', () => {
  it('local: bytes and half-close; a refused target counts', async () => {
    await using forward = await pool.forwardLocal(target(server), { remotePort: echo.port })
    const text = 'x'.repeat(1_000_000)
    expect(await exchange(forward.localPort, text)).toBe(text)
    await using nowhere = await pool.forwardLocal(target(server), { remotePort: await freePort() })
    await comesToNothing(nowhere.localPort)
    expect(nowhere.stats()).toMatchObject({ connections: 1, failed: 1 })
  })

  it('remote on port 0', async () => {
    await using forward = await pool.forwardRemote(target(server), { localPort: echo.port })
    expect(await exchange(forward.remotePort, 'back')).toBe('back')
  })

  it('forbidden', async () => {
    const strict = await Dropbear.start('127.0.0.1', '-j', '-k')
    expect(await failureOf(pool.forwardRemote(target(strict), { localPort: echo.port }))).toMatchObject({ code: 'EFORWARDDENIED' })
    await strict.stop()
  })
})
