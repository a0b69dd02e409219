import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { SSHConnectionPool } from '../support/native'
import { OpenSSHServer, TEST_USER } from '../support/openssh'
import { until } from '../support/wait'

let server: OpenSSHServer

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })

describe('getStats', () => {
  it('starts at zero, but for the limits', () => {
    const { limits, ...stats } = new SSHConnectionPool().getStats()
    expect(Object.values(stats).filter((value) => value !== null && value !== 0)).toEqual([])
    expect(stats.lastCleanup).toBeNull()
    expect(limits).toMatchObject({ maxConnections: 10, maxTotalConnections: 100, idleTimeout: 300_000, maxLifetime: 3_600_000 })
  })

  it('counts hits, misses and connections', async () => {
    await using pool = new SSHConnectionPool()
    for (let i = 0; i < 3; i++) await pool.exec(server.target(), 'true')
    await failureOf(pool.exec(server.target({ port: 1 }), 'true'))
    const stats = pool.getStats()
    expect(stats).toMatchObject({
      totalConnections: 1, activeConnections: 0, idleConnections: 1, poolHits: 2, connectionsCreated: 1,
      connectionsReused: 2, connectionsFailed: 1, connectionsClosed: 0, commandsRun: 3, queued: 0,
    })
    expect(stats.poolMisses).toBeGreaterThanOrEqual(1)
    expect(stats.averageConnectionTime).toBeGreaterThan(0)
    expect(stats.poolEfficiency).toBeCloseTo(2 / (2 + stats.poolMisses))
  })

  it('active means busy, idle means free', async () => {
    await using pool = new SSHConnectionPool()
    const running = pool.exec(server.target(), 'sleep 0.3')
    await until('the command runs', () => pool.getStats().activeChannels === 1)
    expect(pool.getStats()).toMatchObject({ activeConnections: 1, idleConnections: 0 })
    await running
    expect(pool.getStats()).toMatchObject({ activeConnections: 0, idleConnections: 1, activeChannels: 0 })
  })
})

describe('getConnections', () => {
  it('describes each connection and no secret', async () => {
    await using pool = new SSHConnectionPool()
    const before = Date.now()
    await pool.exec(server.target(), 'true')
    await pool.exec(server.target(), 'true')
    const connections = pool.getConnections()
    expect(connections).toHaveLength(1)
    const [connection] = connections
    expect(connection).toMatchObject({
      host: '127.0.0.1', port: server.port, username: TEST_USER, state: 'idle', useCount: 2, channels: 0, channelLimit: 8, errors: 0,
    })
    expect(connection?.key).toMatch(new RegExp(`^${TEST_USER}@127\\.0\\.0\\.1:${server.port}#[0-9a-f]+$`))
    expect(connection?.created.getTime()).toBeGreaterThanOrEqual(before - 1)
    expect(connection?.lastUsed.getTime()).toBeGreaterThanOrEqual(connection?.created.getTime() ?? Infinity)
    expect(JSON.stringify(connections)).not.toContain('PRIVATE KEY')
  })
})

describe('getInstance', () => {
  it('is one pool until it is disposed', async () => {
    const first = SSHConnectionPool.getInstance()
    expect(SSHConnectionPool.getInstance()).toBe(first)
    await first.dispose()
    const second = SSHConnectionPool.getInstance()
    expect(second).not.toBe(first)
    expect(await second.exec(server.target(), 'echo on')).toMatchObject({ stdout: 'on\n' })
    await second.dispose()
  })
})
