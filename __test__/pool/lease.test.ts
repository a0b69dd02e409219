import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { SSHConnection, SSHConnectionPool, XecNativeError } from '../../index.mjs'
import { failureOf } from '../support/failure'
import { OpenSSHServer } from '../support/openssh'
import { runNode } from '../support/run-script'
import { exchange } from '../support/sockets'
import { SilentProxy } from '../support/silent-proxy'
import { until } from '../support/wait'

let server: OpenSSHServer
let pool: SSHConnectionPool

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })
beforeEach(() => { pool = new SSHConnectionPool() })
afterEach(async () => { await pool.dispose() })

describe('getConnection', () => {
  it('lends a connection that runs commands and is in use until it is released', async () => {
    const connection = await pool.getConnection(server.target())
    expect(connection).toBeInstanceOf(SSHConnection)
    expect(connection).toMatchObject({ host: '127.0.0.1', port: server.port, released: false })
    expect(await connection.exec('echo here')).toMatchObject({ stdout: 'here\n', ok: true })
    expect(connection.id).toBe(pool.getConnections()[0]?.id)
    expect(await pool.closeIdleConnections()).toBe(0)
    connection.release()
    connection.release()
    pool.releaseConnection(connection)
    expect(connection.released).toBe(true)
    expect(await failureOf(connection.exec('true'))).toMatchObject({ code: 'ERELEASED', kind: 'invalid-usage', reached: false })
    expect(await pool.closeIdleConnections()).toBe(1)
  })

  it('await using gives it back', async () => {
    {
      await using connection = await pool.getConnection(server.target())
      expect(await connection.isHealthy()).toBe(true)
    }
    expect(pool.getStats()).toMatchObject({ activeChannels: 0, idleConnections: 1 })
  })

  it('its commands run while others wait, several at once too, and streams beside them', async () => {
    const small = new SSHConnectionPool({ maxConnections: 2, channelsPerConnection: 1, acquireTimeout: 500 })
    try {
      const connection = await small.getConnection(server.target())
      const other = await small.getConnection(server.target())
      expect(await failureOf(small.exec(server.target(), 'true'))).toMatchObject({ code: 'ETIMEDOUT', phase: 'queue' })
      expect(await failureOf(small.getConnection(server.target(), { timeout: 50 }))).toMatchObject({ code: 'ETIMEDOUT', limit: 50 })
      expect(await connection.exec('echo mine')).toMatchObject({ stdout: 'mine\n' })
      other.release()
      const both = await Promise.all([connection.exec('echo a'), connection.exec('echo b')])
      expect(both.map(({ stdout }) => stdout)).toEqual(['a\n', 'b\n'])
    } finally {
      await small.dispose()
    }
    const connection = await pool.getConnection(server.target())
    const stream = connection.spawn('echo line')
    const seen: string[] = []
    for await (const line of stream) seen.push(line)
    expect(seen).toEqual(['line'])
  })

  it('opens sessions, files and forwards of its host, until it is released', async () => {
    const connection = await pool.getConnection(server.target())
    await using session = await connection.session()
    await session.execute('cd /tmp')
    expect(await session.execute('pwd')).toMatchObject({ stdout: '/tmp\n' })
    await using sftp = await connection.sftp()
    expect((await sftp.stat('/tmp')).isDirectory()).toBe(true)
    const destination = { remoteHost: '127.0.0.1', remotePort: server.port }
    const local = await connection.forwardLocal(destination)
    expect(await exchange(local.localPort, '')).toMatch(/^SSH-2\.0/)
    const remote = await connection.forwardRemote({ remotePort: 0, localPort: server.port })
    expect(await exchange(remote.remotePort, '')).toMatch(/^SSH-2\.0/)
    const dynamic = await connection.forwardDynamic()
    expect(dynamic.localPort).toBeGreaterThan(0)
    await Promise.all([local, remote, dynamic].map((forward) => forward.close()))
    connection.release()
    const refused = [
      connection.session(), connection.sftp(), connection.forwardLocal(destination),
      connection.forwardRemote({ remotePort: 0, localPort: server.port }), connection.forwardDynamic(),
    ]
    expect(await Promise.all(refused.map(async (work) => (await failureOf(work)).code))).toEqual(Array(5).fill('ERELEASED'))
    await expect(session.execute('pwd')).resolves.toMatchObject({ stdout: '/tmp\n' })
  })

  it('priority decides who is served first, an abort ends the waiting', async () => {
    const small = new SSHConnectionPool({ maxConnections: 1, channelsPerConnection: 1 })
    try {
      const holder = await small.getConnection(server.target())
      const order: string[] = []
      const take = async (name: string, priority: number): Promise<void> => {
        const connection = await small.getConnection(server.target(), { priority })
        order.push(name)
        connection.release()
      }
      const controller = new AbortController()
      const leaving = failureOf(small.getConnection(server.target(), { signal: controller.signal }))
      const takers = [take('usual', 0), take('urgent', 5)]
      controller.abort()
      expect(await leaving).toMatchObject({ code: 'ABORT_ERR' })
      expect(order).toEqual([])
      holder.release()
      await Promise.all(takers)
      expect(order).toEqual(['urgent', 'usual'])
    } finally {
      await small.dispose()
    }
  })

  it('fails at once where the pool is told to', async () => {
    const small = new SSHConnectionPool({ maxConnections: 1, channelsPerConnection: 1, whenExhausted: 'fail' })
    try {
      await small.getConnection(server.target())
      expect(await failureOf(small.getConnection(server.target()))).toMatchObject({
        code: 'EPOOLEXHAUSTED', message: `Connection pool exhausted for 127.0.0.1:${server.port} (max: 1)`,
      })
    } finally {
      await small.dispose()
    }
  })

  it('a connection that breaks is told by the command on it, and the next command has a new one', async () => {
    const connection = await pool.getConnection(server.target())
    const running = failureOf(connection.exec('sleep 1000'))
    await server.runs('sleep')
    server.killConnections()
    expect(await running).toMatchObject({ code: 'ECONNLOST', reached: true })
    expect(await connection.isHealthy()).toBe(false)
    expect(await connection.exec('echo again')).toMatchObject({ stdout: 'again\n' })
    expect(await connection.isHealthy()).toBe(true)
  })

  it('reconnect() leaves the old connection', async () => {
    const connection = await pool.getConnection(server.target())
    const { id } = connection
    await connection.reconnect()
    expect(connection.id).not.toBe(id)
    await until('the old one is closed', () => pool.getConnections().every((info) => info.id !== id))
    expect(await connection.exec('echo new')).toMatchObject({ stdout: 'new\n' })
  })

  it('setKeepAlive() finds a silent peer', async () => {
    const proxy = await SilentProxy.start(server.port)
    try {
      const connection = await pool.getConnection({ ...server.target(), port: proxy.port, poolConfig: { keepAlive: false } })
      connection.setKeepAlive(true, 100)
      proxy.silence()
      await until('the connection counts as lost', () => pool.getStats().totalConnections === 0)
      connection.setKeepAlive(false)
    } finally {
      await proxy.stop()
    }
  })

  it('a drain does not wait for one that is not used', async () => {
    const connection = await pool.getConnection(server.target())
    expect(await pool.drain({ timeout: 5_000 })).toBe(true)
    expect(await connection.exec('echo later')).toMatchObject({ stdout: 'later\n' })
    await pool.dispose()
    expect(await failureOf(connection.exec('true'))).toMatchObject({ code: 'EPOOLCLOSED' })
  })
})

describe('leaks', () => {
  it('one held too long is reported with where it was borrowed', async () => {
    const leaks: [string, XecNativeError][] = []
    pool.on('connection:leaked', (host, error) => leaks.push([host, error]))
    const connection = await pool.getConnection({ ...server.target(), poolConfig: { leakDetectionThreshold: 50 } })
    const quick = await pool.getConnection({ ...server.target(), poolConfig: { leakDetectionThreshold: 60_000 } })
    await until('the leak is reported', () => leaks.length > 0)
    const [[host, error] = []] = leaks
    expect(host).toBe('127.0.0.1')
    expect(error).toMatchObject({ code: 'ELEAK', message: `A connection borrowed for 127.0.0.1:${server.port} has been held for more than 50 ms` })
    expect(String(error?.cause instanceof Error && error.cause.stack)).toContain('lease.test.ts')
    expect(await connection.exec('echo still usable')).toMatchObject({ ok: true })
    connection.release()
    quick.release()
    expect(leaks).toHaveLength(1)
  })

  it('one that was forgotten goes back to the pool, and a warning says so', async () => {
    const { privateKey, username } = server.target()
    const script = `
      const { SSHConnectionPool } = require(${JSON.stringify(require.resolve('../../index.js'))})
      const pool = new SSHConnectionPool()
      const target = ${JSON.stringify({ host: '127.0.0.1', port: server.port, username, privateKey, knownHostsPath: server.knownHosts })}
      process.on('warning', ({ name, code, message }) => console.log(name, code, message.includes('garbage-collected'), pool.getStats().activeChannels))
      ;(async () => {
        await (await pool.getConnection(target)).exec('true')
        console.log(pool.getStats().activeChannels)
        for (let n = 0; n < 100 && pool.getStats().activeChannels > 0; n += 1) {
          global.gc()
          await new Promise((resolve) => setTimeout(resolve, 10))
        }
      })()`
    const { code, stdout, stderr } = await runNode(['--expose-gc', '-e', script], {})
    expect({ code, lines: stdout.trim().split('\n') }).toEqual({ code: 0, lines: ['1', 'XecNativeWarning ELEAK true 0'] })
    expect(stderr).toContain('ELEAK')
  })
})
