import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AdaptiveConfig, SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { FakePool, failure, hosts } from './fake-pool'

const [host] = hosts('a') as [{ host: string, username: string }]

function used(count: number, duration: number): { adaptive: AdaptiveConfig, pool: FakePool, pass: (milliseconds: number) => void } {
  let time = Date.UTC(2026, 0, 1)
  const pool = new FakePool()
  const adaptive = new AdaptiveConfig(pool, () => time)
  for (let i = 0; i < count; i++) adaptive.record(host, duration)
  return { adaptive, pool, pass: (milliseconds) => { time += milliseconds } }
}

const few = { maxConnections: 2, idleTimeout: 60_000 }
const usual = { maxConnections: 5, idleTimeout: 300_000 }
const many = { maxConnections: 10, idleTimeout: 600_000, warmUpConnections: 3 }

describe('settings from usage', () => {
  it.each([
    [0, 10, few], [9, 10, few], [10, 10, usual], [100, 10, usual], [101, 10, many], [101, 999, many], [101, 1_000, usual],
  ])('%d commands of %d ms', (count, duration, expected) => {
    expect(used(count, duration).adaptive.configFor(host)).toEqual(expected)
  })

  it('a host that nobody used for more than an hour gets few again', () => {
    const { adaptive, pass } = used(200, 10)
    pass(3_600_000)
    expect(adaptive.configFor(host)).toEqual(many)
    pass(1)
    expect(adaptive.configFor(host)).toEqual(few)
  })

  it('each host by its own use', () => {
    const { adaptive } = used(200, 10)
    expect(adaptive.configFor({ ...host, username: 'another' })).toEqual(few)
    expect(adaptive.getUsage(host)).toMatchObject({ useCount: 200, averageDuration: 10 })
  })
})

describe('failures', () => {
  it('of the connection take one connection each, ten good commands give one back', () => {
    const { adaptive } = used(50, 10)
    for (let i = 0; i < 3; i++) adaptive.recordFailure(host, failure())
    expect(adaptive.configFor(host).maxConnections).toBe(2)
    for (let i = 0; i < 9; i++) adaptive.record(host, 10)
    expect(adaptive.configFor(host).maxConnections).toBe(2)
    adaptive.record(host, 10)
    expect(adaptive.configFor(host).maxConnections).toBe(3)
  })

  it('never take the last one, however many there are', () => {
    const { adaptive } = used(200, 10)
    for (let i = 0; i < 30; i++) adaptive.recordFailure(host, failure())
    expect(adaptive.configFor(host)).toEqual({ ...many, maxConnections: 1, warmUpConnections: 1 })
  })

  it.each([
    ['a refused option', failure({ kind: 'invalid-usage' }), 5],
    ['a command that took too long', failure({ kind: 'timeout', phase: 'run' }), 5],
    ['a login that took too long', failure({ kind: 'timeout', phase: 'handshake' }), 4],
    ['a lost connection', failure({ kind: 'connection-lost', reached: true }), 4],
    ['somebody else\'s error', new Error('other'), 5],
  ])('%s', (_what, error, left) => {
    const { adaptive } = used(50, 10)
    adaptive.recordFailure(host, error)
    expect(adaptive.configFor(host).maxConnections).toBe(left)
  })
})

describe('exec', () => {
  it('passes the settings on, measures, and leaves the target\'s own settings alone', async () => {
    const { adaptive, pool, pass } = used(101, 10)
    const running = adaptive.exec({ ...host, poolConfig: { maxConnections: 2, minIdle: 1 } }, 'work')
    expect(pool.last.target.poolConfig).toEqual({ ...many, maxConnections: 2, warmUpConnections: 2, minIdle: 1 })
    pass(112)
    pool.last.succeed()
    await running
    expect(adaptive.getUsage(host)).toMatchObject({ useCount: 102, averageDuration: 11 })
  })

  it('counts a failure and rejects with it', async () => {
    const { adaptive, pool } = used(50, 10)
    const running = adaptive.exec(host, 'work')
    const error = failure()
    pool.last.fail(error)
    await expect(running).rejects.toBe(error)
    expect(adaptive.configFor(host).maxConnections).toBe(4)
    expect(adaptive.getUsage(host).useCount).toBe(50)
  })
})

describe('on a real host', () => {
  let server: OpenSSHServer
  beforeAll(async () => { server = await OpenSSHServer.start() })
  afterAll(async () => { await server.stop() })

  it('the limit that fits is the one that holds', async () => {
    await using pool = new SSHConnectionPool({ channelsPerConnection: 1 })
    const adaptive = new AdaptiveConfig(pool)
    const batch = async (): Promise<number> => {
      await Promise.all(Array.from({ length: 12 }, () => adaptive.exec(server.target(), 'sleep 0.1')))
      return pool.getStats().totalConnections
    }
    expect(await batch()).toBe(2)
    expect(await batch()).toBe(5)
  })
})
