import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Histogram, SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'

let server: OpenSSHServer

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })

function expectSound({ count, sum, max, p50, p90, p99, buckets }: Histogram): void {
  expect(p50).toBeLessThanOrEqual(p90)
  expect(p90).toBeLessThanOrEqual(p99)
  expect(p99).toBeLessThanOrEqual(max)
  expect(max).toBeLessThanOrEqual(sum)
  expect(buckets.map((bucket) => bucket.count)).toEqual(buckets.map((bucket) => bucket.count).sort((a, b) => a - b))
  expect(buckets.at(-1)?.count).toBe(count)
}

describe('getMetrics', () => {
  it('counts what the documents name, by each of its names', async () => {
    await using pool = new SSHConnectionPool()
    for (let i = 0; i < 4; i++) await pool.exec(server.target(), 'true')
    await pool.closeAll()
    expect(pool.getMetrics()).toMatchObject({
      totalConnections: 0, activeConnections: 0, idleConnections: 0, aliveConnections: 0, inUseConnections: 0,
      connectionsCreated: 1, connectionsReused: 3, reuseCount: 3, connectionsClosed: 1, connectionsDestroyed: 1,
      connectionsFailed: 0, poolHits: 3, poolMisses: 1, poolEfficiency: 0.75, averageUseCount: 4, commandsRun: 4,
      healthChecksPassed: 0, healthCheckFailures: 0,
    })
  })

  it('knows how long things took', async () => {
    await using pool = new SSHConnectionPool()
    await pool.exec(server.target(), 'sleep 0.2')
    await pool.exec(server.target(), 'true')
    const { connect, wait, run, idle } = pool.getMetrics()
    for (const histogram of [connect, wait, run, idle]) expectSound(histogram)
    expect([connect.count, wait.count, run.count, idle.count]).toEqual([1, 2, 2, 1])
    expect(run.max).toBeGreaterThanOrEqual(200)
    expect(run.p50).toBeLessThan(200)
    expect(wait.max).toBeGreaterThanOrEqual(connect.max * 0.5)
  })

  it('resetMetrics begins anew, and leaves getStats alone', async () => {
    await using pool = new SSHConnectionPool()
    await pool.exec(server.target(), 'true')
    pool.resetMetrics()
    const { connect, wait, run, idle, ...figures } = pool.getMetrics()
    expect([connect, wait, run, idle].map(({ count, sum, max }) => [count, sum, max])).toEqual(Array(4).fill([0, 0, 0]))
    expect(Object.entries(figures).filter(([, value]) => value !== 0 && value !== null).map(([name]) => name).sort())
      .toEqual(['aliveConnections', 'idleConnections', 'totalConnections'])
    await pool.exec(server.target(), 'true')
    expect(pool.getMetrics()).toMatchObject({ commandsRun: 1, connectionsCreated: 0, connectionsReused: 1, poolEfficiency: 1 })
    expect(pool.getStats()).toMatchObject({ commandsRun: 2, connectionsCreated: 1, poolEfficiency: 0.5 })
  })
})
