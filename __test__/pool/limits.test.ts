import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { until } from '../support/wait'

let server: OpenSSHServer

beforeAll(async () => {
  server = await OpenSSHServer.start({ addresses: ['127.0.0.1', '127.0.0.2', '127.0.0.3'] })
})

afterAll(async () => { await server.stop() })

/** Waits until a pool of one channel has given it away. */
const occupied = (pool: SSHConnectionPool): Promise<void> =>
  until('the first command has the channel', () => pool.getStats().activeChannels === 1)

describe('limits', () => {
  it('five commands on two connections of one channel all succeed', async () => {
    await using pool = new SSHConnectionPool({ maxConnections: 2, channelsPerConnection: 1 })
    const full: string[] = []
    pool.on('pool:full', (host) => full.push(host))
    const results = await Promise.all([1, 2, 3, 4, 5].map((i) => pool.exec(server.target(), `sleep 0.1; echo ${i}`)))
    expect(results.map(({ stdout }) => stdout)).toEqual(['1\n', '2\n', '3\n', '4\n', '5\n'])
    expect(pool.getStats().connectionsCreated).toBe(2)
    expect(full).toContain('127.0.0.1')
  })

  it('whenExhausted fail: the documented message at once', async () => {
    await using pool = new SSHConnectionPool({ maxConnections: 1, channelsPerConnection: 1, whenExhausted: 'fail' })
    await pool.exec(server.target(), 'true')
    const first = pool.exec(server.target(), 'sleep 0.5; echo first')
    await occupied(pool)
    const error = await failureOf(pool.exec(server.target(), 'echo second'))
    expect(error).toMatchObject({ code: 'EPOOLEXHAUSTED', phase: 'queue', reached: false })
    expect(error.message).toBe(`Connection pool exhausted for 127.0.0.1:${server.port} (max: 1)`)
    expect(await first).toMatchObject({ stdout: 'first\n' })
  })

  it('acquireTimeout bounds the wait', async () => {
    await using pool = new SSHConnectionPool({ maxConnections: 1, channelsPerConnection: 1, acquireTimeout: 200 })
    // Not by a command: its limit would hold for connecting, too.
    await pool.warmUp([server.target()])
    const first = pool.exec(server.target(), 'sleep 1')
    await occupied(pool)
    const error = await failureOf(pool.exec(server.target(), 'true'))
    expect(error).toMatchObject({ code: 'ETIMEDOUT', phase: 'queue', reached: false, limit: 200 })
    await first
    expect(pool.getStats().acquireTimeouts).toBe(1)
  })

  it('maxQueue bounds the queue', async () => {
    await using pool = new SSHConnectionPool({ maxConnections: 1, channelsPerConnection: 1, maxQueue: 1 })
    await pool.exec(server.target(), 'true')
    const first = pool.exec(server.target(), 'sleep 0.5')
    await occupied(pool)
    const second = pool.exec(server.target(), 'true')
    await until('the second one waits', () => pool.getStats().queued === 1)
    expect(await failureOf(pool.exec(server.target(), 'true'))).toMatchObject({ code: 'EPOOLEXHAUSTED', phase: 'queue' })
    await Promise.all([first, second])
  })

  it('higher priority is served first, equals in the order of their calls', async () => {
    await using pool = new SSHConnectionPool({ maxConnections: 1, channelsPerConnection: 1 })
    await pool.exec(server.target(), 'true')
    // As the server saw them: promises of commands that end in the same turn of the event loop settle in any order.
    const seen = (await pool.exec(server.target(), 'mktemp')).stdout.trim()
    const run = (name: string, priority: number): Promise<unknown> =>
      pool.exec(server.target(), `echo '${name}' >> ${seen}`, { priority })
    const blocker = pool.exec(server.target(), 'sleep 0.3')
    await occupied(pool)
    await Promise.all([run('low', -1), run('normal 1', 0), run('normal 2', 0), run('high', 5), blocker])
    expect((await pool.exec(server.target(), `cat ${seen}; rm ${seen}`)).stdout).toBe('high\nnormal 1\nnormal 2\nlow\n')
  })

  it('maxTotalConnections holds over several hosts, and an idle one makes room', async () => {
    await using pool = new SSHConnectionPool({ maxTotalConnections: 2 })
    for (const host of ['127.0.0.1', '127.0.0.2', '127.0.0.3']) {
      expect(await pool.exec(server.target({ host }), 'echo $SSH_CONNECTION')).toMatchObject({ exitCode: 0, host })
      expect(pool.getStats().totalConnections).toBeLessThanOrEqual(2)
    }
  })

  it('enabled false: a connection for each command, closed after it', async () => {
    await using pool = new SSHConnectionPool({ enabled: false })
    const where = 'echo $SSH_CONNECTION'
    const [a, b] = [await pool.exec(server.target(), where), await pool.exec(server.target(), where)]
    expect(a.stdout).not.toBe(b.stdout)
    await until('the last connection is closed', () => pool.getStats().totalConnections === 0)
    expect(pool.getStats()).toMatchObject({ connectionsCreated: 2, connectionsClosed: 2 })
  })

  it('connectionTimeout ends a handshake that hangs', async () => {
    const mute = createServer(() => undefined).listen(0, '127.0.0.1')
    await once(mute, 'listening')
    const address = mute.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    await using pool = new SSHConnectionPool({ connectionTimeout: 300 })
    const error = await failureOf(pool.exec(server.target({ port: address.port }), 'true'))
    expect(error).toMatchObject({ code: 'ETIMEDOUT', kind: 'timeout', phase: 'handshake', reached: false, limit: 300 })
    mute.close()
  })
})

describe('settings by host', () => {
  it('patterns, later ones winning, and the target itself winning over all', async () => {
    await using pool = new SSHConnectionPool({ hosts: { '127.0.0.?': { maxConnections: 1, channelsPerConnection: 1 } } })
    pool.configureHost(/\.2$/, { maxConnections: 2 })
    const connectionsFor = async (host: string, extra = {}): Promise<number> => {
      await Promise.all([1, 2, 3].map(() => pool.exec(server.target({ host, ...extra }), 'sleep 0.2')))
      return pool.getConnections().filter((connection) => connection.host === host).length
    }
    expect(await connectionsFor('127.0.0.1')).toBe(1)
    expect(await connectionsFor('127.0.0.2')).toBe(2)
    expect(await connectionsFor('127.0.0.3', { poolConfig: { maxConnections: 3 } })).toBe(3)
  })
})

describe('life of a connection', () => {
  it('idleTimeout closes it', async () => {
    await using pool = new SSHConnectionPool({ idleTimeout: 100, cleanupInterval: 50 })
    const closed: string[] = []
    pool.on('connection:closed', (_host, reason) => closed.push(reason))
    await pool.exec(server.target(), 'true')
    await until('the idle connection is closed', () => pool.getStats().totalConnections === 0)
    await pool.closeAll()
    expect(closed).toEqual(['idle_timeout'])
  })

  it('maxLifetime retires a busy one without cutting its command', async () => {
    await using pool = new SSHConnectionPool({ maxLifetime: 200, cleanupInterval: 50 })
    const where = 'sleep 0.6; echo $SSH_CONNECTION'
    const first = await pool.exec(server.target(), where)
    const second = await pool.exec(server.target(), where)
    expect(first.exitCode).toBe(0)
    expect(second.stdout).not.toBe(first.stdout)
  })

  it('closeIdleConnections closes what runs nothing, and only that', async () => {
    await using pool = new SSHConnectionPool()
    const busy = pool.exec(server.target({ host: '127.0.0.2' }), 'sleep 0.4; echo kept')
    await pool.exec(server.target(), 'true')
    await until('the other command runs', () => pool.getStats().activeChannels === 1)
    expect(await pool.closeIdleConnections()).toBe(1)
    expect(await busy).toMatchObject({ stdout: 'kept\n' })
  })

  it('closeAll cuts running commands, and the pool works again afterwards', async () => {
    await using pool = new SSHConnectionPool()
    const cut = failureOf(pool.exec(server.target(), 'echo begun; sleep 300'))
    await server.runs('sleep')
    await pool.closeAll()
    expect(await cut).toMatchObject({ reached: true, stdout: 'begun\n' })
    expect(pool.getConnections()).toEqual([])
    expect(await pool.exec(server.target(), 'echo again')).toMatchObject({ stdout: 'again\n' })
  })

  it('dispose is final', async () => {
    const pool = new SSHConnectionPool()
    await pool.exec(server.target(), 'true')
    await pool.dispose()
    await pool.dispose()
    const error = await failureOf(pool.exec(server.target(), 'true'))
    expect(error).toMatchObject({ code: 'EPOOLCLOSED', reached: false })
  })
})
