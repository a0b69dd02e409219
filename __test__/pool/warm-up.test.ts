import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { AbortError, AuthenticationError, ConnectionRefusedError, SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { SilentProxy } from '../support/silent-proxy'
import { until } from '../support/wait'

let server: OpenSSHServer
let pool: SSHConnectionPool

beforeAll(async () => { server = await OpenSSHServer.start({ addresses: ['127.0.0.1', '127.0.0.2'] }) })
afterAll(async () => { await server.stop() })
beforeEach(() => { pool = new SSHConnectionPool() })
afterEach(async () => { await pool.dispose() })

describe('warmUp', () => {
  it('reports per host, and a bad host spoils nothing', async () => {
    const good = [server.target(), server.target({ host: '127.0.0.2' })]
    const report = await pool.warmUp([...good, server.target({ port: 1 })], { connections: 2 })
    expect(report).toMatchObject({ ok: false, requested: 6, ready: 4 })
    expect(report.hosts).toEqual([
      { host: '127.0.0.1', port: server.port, requested: 2, ready: 2, duration: expect.any(Number) as number },
      { host: '127.0.0.2', port: server.port, requested: 2, ready: 2, duration: expect.any(Number) as number },
      {
        host: '127.0.0.1', port: 1, requested: 2, ready: 0, duration: expect.any(Number) as number,
        error: expect.any(ConnectionRefusedError) as Error,
      },
    ])
    await pool.exec(server.target(), 'true')
    expect(pool.getStats()).toMatchObject({ connectionsCreated: 4, idleConnections: 4 })
  })

  it('asks for what is not there yet', async () => {
    await pool.exec(server.target(), 'true')
    expect(await pool.warmUp([server.target()], { connections: 3 })).toMatchObject({ ok: true, ready: 3 })
    expect(await pool.warmUp([server.target()], { connections: 3 })).toMatchObject({ ok: true, ready: 3 })
    expect(pool.getStats().connectionsCreated).toBe(3)
  })

  it('counts as far as the limits allow', async () => {
    const target = server.target({ poolConfig: { maxConnections: 2 } })
    const { ok, hosts } = await pool.warmUp([target], { connections: 5 })
    expect(ok).toBe(false)
    expect(hosts[0]).toMatchObject({ requested: 5, ready: 2 })
    expect(hosts[0]).not.toHaveProperty('error')
  })

  it('a login that is refused is tried once, not as often as connections are wanted', async () => {
    const before = await server.counted(/^Failed password/)
    const report = await pool.warmUp([server.target({ privateKey: undefined, password: 'wrong' })], { connections: 4 })
    expect(report.hosts[0]).toMatchObject({ ready: 0, error: expect.any(AuthenticationError) as Error })
    expect(pool.getStats().connectionsFailed).toBe(1)
    expect(await server.counted(/^Failed password/) - before).toBe(1)
  })

  it('abort ends the waiting', async () => {
    const proxy = await SilentProxy.start(server.port)
    proxy.silence()
    const controller = new AbortController()
    const report = pool.warmUp([server.target({ port: proxy.port })], { connections: 2, signal: controller.signal })
    await until('the handshake has begun', () => pool.getStats().connectingConnections === 1)
    controller.abort(new Error('enough'))
    const { ok, hosts } = await report
    expect([ok, hosts[0]?.ready, hosts[0]?.error?.code]).toEqual([false, 0, 'ABORT_ERR'])
    expect(hosts[0]?.error).toBeInstanceOf(AbortError)
    expect(hosts[0]?.error?.cause).toMatchObject({ message: 'enough' })
    expect(pool.getStats()).toMatchObject({ connectingConnections: 0, totalConnections: 0 })
    await pool.closeAll()
    await proxy.stop()
  })

  it('a signal that has fired already dials nothing', async () => {
    const { hosts } = await pool.warmUp([server.target()], { signal: AbortSignal.abort() })
    expect(hosts[0]?.error?.code).toBe('ABORT_ERR')
    expect(pool.getStats()).toMatchObject({ totalConnections: 0, connectingConnections: 0, connectionsCreated: 0 })
  })

  it('a bad option or target rejects before anything is dialed', async () => {
    expect(await failureOf(pool.warmUp([server.target()], { connections: 0 }))).toMatchObject({ option: 'connections' })
    expect(await failureOf(pool.warmUp([server.target(), { host: '' }]))).toMatchObject({ option: 'host' })
    expect(pool.getStats()).toMatchObject({ totalConnections: 0, connectingConnections: 0 })
  })
})

describe('warmUpConnections', () => {
  it('from the first use on, in the background', async () => {
    const target = server.target({ poolConfig: { warmUpConnections: 3 } })
    await pool.exec(target, 'true')
    await until('three connections are ready', () => pool.getStats().idleConnections === 3)
    await pool.closeIdleConnections()
    await pool.exec(target, 'true')
    expect(pool.getStats()).toMatchObject({ idleConnections: 1, connectionsCreated: 4 })
  })

  it('a refused login is still one attempt', async () => {
    pool.configureHost('127.*', { warmUpConnections: 3 })
    const error = await failureOf(pool.exec(server.target({ privateKey: undefined, password: 'wrong' }), 'true'))
    expect(error.code).toBe('EAUTH')
    expect(pool.getStats()).toMatchObject({ connectionsFailed: 1, connectingConnections: 0 })
  })
})

describe('minIdle', () => {
  /** Spares are made while the first command runs, whose connection is then free as well: there may be one more. */
  const hasSpare = (spare: SSHConnectionPool, count: number) => (): boolean => {
    const { idleConnections, connectingConnections } = spare.getStats()
    return idleConnections >= count && connectingConnections === 0
  }

  it('keeps so many free connections ready once a login has succeeded, also while others are busy', async () => {
    await using spare = new SSHConnectionPool({ minIdle: 2, channelsPerConnection: 1 })
    expect(spare.getStats().connectingConnections).toBe(0)
    await spare.exec(server.target(), 'true')
    await until('two are free', hasSpare(spare, 2))
    const running = spare.exec(server.target(), 'sleep 300')
    await server.runs('sleep')
    await until('two are free again', () => spare.getStats().idleConnections === 2)
    expect(spare.getStats()).toMatchObject({ activeConnections: 1, totalConnections: 3 })
    const cut = failureOf(running)
    await spare.closeAll()
    await cut
  })

  it('replaces one that was lost', async () => {
    const own = await OpenSSHServer.start()
    await using spare = new SSHConnectionPool({ minIdle: 1, maxConnections: 1 })
    await spare.exec(own.target(), 'true')
    await until('one is free', hasSpare(spare, 1))
    const before = spare.getStats().connectionsCreated
    const lost = once(spare, 'connection:error')
    own.killConnections()
    await lost
    await until('another one is free', () => spare.getStats().connectionsCreated > before && hasSpare(spare, 1)())
    await spare.dispose()
    await own.stop()
  })
})
