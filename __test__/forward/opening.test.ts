import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { freePort } from '../support/ports'
import { SilentProxy } from '../support/silent-proxy'
import { exchange, listen } from '../support/sockets'
import { until } from '../support/wait'

let server: OpenSSHServer
let pool: SSHConnectionPool

beforeEach(async () => {
  server = await OpenSSHServer.start()
  pool = new SSHConnectionPool()
})
afterEach(async () => {
  await pool.dispose()
  await server.stop()
})

describe('a forward whose opening is aborted', () => {
  it.each(['local', 'dynamic'] as const)('%s: leaves its port and the queue at once', async (kind) => {
    const silent = await SilentProxy.start(server.port)
    silent.silence()
    const target = server.target({ port: silent.port })
    const [controller, localPort] = [new AbortController(), await freePort()]
    const options = { localPort, signal: controller.signal }
    const opening = failureOf(kind === 'local' ? pool.forwardLocal(target, { ...options, remotePort: 1 }) : pool.forwardDynamic(target, options))
    await until('it waits for its connection', () => pool.getStats().queued === 1)
    controller.abort()
    expect(await opening).toMatchObject({ code: 'ABORT_ERR' })
    expect(pool.getStats().queued).toBe(0)
    const next = createServer().listen(localPort, '127.0.0.1')
    await once(next, 'listening')
    next.close()
    await silent.stop()
  })

  it('remote: the server does not go on listening', async () => {
    const there = await listen((socket) => socket.end('here'))
    const remotePort = await freePort()
    // Wherever it is by then: some of these are aborted before the server listens, some while it is asked to.
    await using warm = await pool.forwardRemote(server.target(), { localPort: there.port })
    for (let attempt = 0; attempt < 10; attempt += 1) {
      const controller = new AbortController()
      const opening = pool.forwardRemote(server.target(), { remotePort, localPort: there.port, signal: controller.signal })
      setImmediate(() => { controller.abort() })
      const forward = await opening.catch(() => undefined)
      await forward?.close()
    }
    let attempts = 0
    while (await exchange(remotePort, '').then(() => true, () => false)) expect(attempts += 1).toBeLessThan(1_000)
    await using last = await pool.forwardRemote(server.target(), { remotePort, localPort: there.port })
    expect(await exchange(last.remotePort, '')).toBe('here')
    expect(warm.isOpen).toBe(true)
    there.server.close()
  })
})
