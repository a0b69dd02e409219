import { EventEmitter, once } from 'node:events'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { ConnectionWarmer, InvalidOptionError, type SSHTarget, SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { FakePool } from './fake-pool'

/** Rounds of warming, ended by the test. */
class FakeWarmPool extends FakePool {
  readonly rounds: { hosts: string[], options: unknown, end: (report: string) => void, fail: (error: Error) => void }[] = []

  warmUp(targets: SSHTarget[], options?: unknown): Promise<string> {
    return new Promise((resolve, reject) => {
      this.rounds.push({ hosts: targets.map(({ host }) => host), options, end: resolve, fail: reject })
    })
  }
}

const names = (warmer: { getPredictions(): SSHTarget[] }): string[] => warmer.getPredictions().map(({ host }) => host)

describe('predictions', () => {
  it('most used first, equals in the order of their first use, at most five', () => {
    const warmer = new ConnectionWarmer(new FakeWarmPool())
    for (const host of ['a', 'b', 'c', 'd', 'e', 'f', 'c', 'c', 'f']) warmer.record({ host })
    expect(names(warmer)).toEqual(['c', 'f', 'a', 'b', 'd'])
  })

  it('another user or port is another target; the latest credentials of one count', () => {
    const warmer = new ConnectionWarmer(new FakeWarmPool(), { limit: 2 })
    warmer.record({ host: 'a', username: 'x' })
    warmer.record({ host: 'a', username: 'y', password: 'old' })
    warmer.record({ host: 'a', username: 'y', password: 'new' })
    warmer.record({ host: 'a', username: 'y', port: 2222 })
    expect(warmer.getPredictions()).toEqual([{ host: 'a', username: 'y', password: 'new' }, { host: 'a', username: 'x' }])
  })

  it('commands run through it are recorded', async () => {
    const pool = new FakeWarmPool()
    const warmer = new ConnectionWarmer(pool)
    const running = warmer.exec({ host: 'a' }, 'work')
    pool.last.succeed()
    expect(await running).toMatchObject({ host: 'a', command: 'work' })
    expect(names(warmer)).toEqual(['a'])
  })

  it('nothing recorded, nothing predicted', () => {
    expect(names(new ConnectionWarmer(new FakeWarmPool()))).toEqual([])
  })
})

describe('schedule', () => {
  beforeEach(() => { vi.useFakeTimers() })
  afterEach(() => { vi.useRealTimers() })

  it('warms what is predicted by then, and skips its turn while a round runs', async () => {
    const pool = new FakeWarmPool()
    const reports: string[] = []
    const warmer = new ConnectionWarmer(pool, { connections: 2, onReport: (report) => reports.push(report) })
    const stop = warmer.schedule(1_000)
    warmer.record({ host: 'a' })
    await vi.advanceTimersByTimeAsync(3_500)
    expect(pool.rounds).toMatchObject([{ hosts: ['a'], options: { connections: 2 } }])
    pool.rounds[0]?.end('done')
    warmer.record({ host: 'b' })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(reports).toEqual(['done'])
    expect(pool.rounds[1]?.hosts).toEqual(['a', 'b'])
    stop()
  })

  it('goes on after a round that could not be run, and tells of it', async () => {
    const pool = new FakeWarmPool()
    const errors: unknown[] = []
    const stop = new ConnectionWarmer(pool, { onError: (error) => errors.push(error) }).schedule(1_000)
    await vi.advanceTimersByTimeAsync(1_000)
    const error = new Error('closed')
    pool.rounds[0]?.fail(error)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(errors).toEqual([error])
    expect(pool.rounds).toHaveLength(2)
    stop()
  })

  it('stopping ends the round that runs, silently, and all later ones', async () => {
    const pool = new FakeWarmPool()
    const told = vi.fn()
    const stop = new ConnectionWarmer(pool, { onReport: told, onError: told }).schedule(1_000)
    await vi.advanceTimersByTimeAsync(1_000)
    stop()
    expect(pool.rounds[0]?.options).toMatchObject({ signal: { aborted: true } })
    pool.rounds[0]?.fail(new Error('aborted'))
    await vi.advanceTimersByTimeAsync(5_000)
    expect(pool.rounds).toHaveLength(1)
    expect(told).not.toHaveBeenCalled()
  })

  it('refuses an interval of nothing', () => {
    expect(() => new ConnectionWarmer(new FakeWarmPool()).schedule(0)).toThrow(InvalidOptionError)
    expect(() => new ConnectionWarmer(new FakeWarmPool(), { limit: 0 })).toThrow(InvalidOptionError)
  })
})

describe('on real hosts', () => {
  let server: OpenSSHServer
  beforeAll(async () => { server = await OpenSSHServer.start({ addresses: ['127.0.0.1', '127.0.0.2'] }) })
  afterAll(async () => { await server.stop() })

  it('a warmed host answers over a connection that is already open', async () => {
    await using pool = new SSHConnectionPool()
    const warmer = new ConnectionWarmer(pool, { connections: 2 })
    const report = await warmer.warm([server.target(), server.target({ host: '127.0.0.2' })])
    expect(report).toMatchObject({ ok: true, ready: 4 })
    const { timings } = await warmer.exec(server.target(), 'true')
    expect(timings.connect).toBe(0)
    expect(pool.getStats().connectionsCreated).toBe(4)
  })

  it('a schedule warms again what was closed, without being asked', async () => {
    await using pool = new SSHConnectionPool()
    const reported = new EventEmitter()
    const warmer = new ConnectionWarmer(pool, { onReport: (report) => reported.emit('report', report) })
    await warmer.exec(server.target(), 'true')
    await pool.closeAll()
    const stop = warmer.schedule(20)
    expect(await once(reported, 'report')).toMatchObject([{ ready: 1 }])
    stop()
    expect(pool.getStats().idleConnections).toBe(1)
  })
})
