import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { SSHConnectionPool, observe } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { FakeFigures, histogramOf } from './fake-figures'

type Attributes = Record<string, string>
type Observe = (value: number, attributes?: Attributes) => void
type Callback = (result: { observe: Observe }) => void

/** An OpenTelemetry meter without the rest of it. */
class FakeMeter {
  readonly instruments: Record<string, string> = {}
  readonly recorded: Record<string, number[]> = {}
  readonly attributes: (Attributes | undefined)[] = []
  readonly #callbacks = new Map<string, Set<Callback>>()

  createObservableUpDownCounter(name: string, { unit }: { unit: string }): ReturnType<FakeMeter['observable']> {
    return this.observable(name, `up-down ${unit}`)
  }

  createObservableCounter(name: string, { unit }: { unit: string }): ReturnType<FakeMeter['observable']> {
    return this.observable(name, `counter ${unit}`)
  }

  createHistogram(name: string, { unit }: { unit: string }): { record: Observe } {
    this.instruments[name] = `histogram ${unit}`
    return { record: (value, attributes) => { (this.recorded[name] ??= []).push(value); this.attributes.push(attributes) } }
  }

  observable(name: string, kind: string): { addCallback: (callback: Callback) => void, removeCallback: (callback: Callback) => void } {
    this.instruments[name] = kind
    const callbacks = new Set<Callback>()
    this.#callbacks.set(name, callbacks)
    return { addCallback: (callback) => { callbacks.add(callback) }, removeCallback: (callback) => { callbacks.delete(callback) } }
  }

  collect(): Record<string, number> {
    const values: Record<string, number> = {}
    for (const [name, callbacks] of this.#callbacks) {
      for (const callback of callbacks) {
        callback({
          observe: (value, attributes = {}) => {
            this.attributes.push(attributes)
            values[[name.replace('ssh.client.connection.', ''), attributes['ssh.client.connection.state']].filter(Boolean).join(' ')] = value
          },
        })
      }
    }
    return values
  }

  sum(name: string): number {
    return (this.recorded[name] ?? []).reduce((sum, value) => sum + value, 0)
  }
}

const CREATE = 'ssh.client.connection.create_time'

beforeEach(() => { vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }) })
afterEach(() => { vi.useRealTimers() })

describe('observe', () => {
  it('makes the instruments of the conventions', () => {
    const meter = new FakeMeter()
    observe(meter, new FakeFigures())
    expect(meter.instruments).toEqual({
      'ssh.client.connection.count': 'up-down {connection}',
      'ssh.client.connection.idle.max': 'up-down {connection}',
      'ssh.client.connection.max': 'up-down {connection}',
      'ssh.client.connection.pending_requests': 'up-down {request}',
      'ssh.client.connection.timeouts': 'counter {timeout}',
      'ssh.client.connection.create_time': 'histogram s',
      'ssh.client.connection.wait_time': 'histogram s',
      'ssh.client.connection.use_time': 'histogram s',
    })
  })

  it('shows the figures of the moment, with the attributes', () => {
    const meter = new FakeMeter()
    const pool = new FakeFigures()
    pool.metrics = { connect: histogramOf([3]) }
    observe(meter, pool, { attributes: { 'ssh.client.connection.pool.name': 'build' } })
    pool.stats = { idleConnections: 1, activeConnections: 2, queued: 3, acquireTimeouts: 4 }
    expect(meter.collect()).toEqual({ 'count idle': 1, 'count used': 2, 'idle.max': 100, 'max': 100, 'pending_requests': 3, 'timeouts': 4 })
    expect(meter.attributes).toHaveLength(7)
    for (const attributes of meter.attributes) expect(attributes).toMatchObject({ 'ssh.client.connection.pool.name': 'build' })
  })

  it('records each duration once, in its bucket and with the right sum', () => {
    const meter = new FakeMeter()
    const pool = new FakeFigures()
    pool.metrics = { connect: histogramOf([0.5, 5, 9, 50, 2_000]) }
    observe(meter, pool)
    vi.advanceTimersByTime(1_000)
    const values = meter.recorded[CREATE] ?? []
    const within = [[0, 0.001], [0.001, 0.01], [0.001, 0.01], [0.01, 0.1], [0.1, 2]]
    expect(values).toHaveLength(within.length)
    values.forEach((value, index) => {
      expect(value).toBeGreaterThanOrEqual(within[index]?.[0] ?? Infinity)
      expect(value).toBeLessThanOrEqual(within[index]?.[1] ?? -Infinity)
    })
    expect(meter.sum(CREATE)).toBeCloseTo(2.0645, 10)

    vi.advanceTimersByTime(1_000)
    meter.collect()
    expect(meter.recorded[CREATE]).toHaveLength(5)
    pool.metrics = { connect: histogramOf([0.5, 5, 9, 50, 2_000, 7]) }
    meter.collect()
    expect(meter.recorded[CREATE]).toHaveLength(6)
    expect(meter.recorded[CREATE]?.at(-1)).toBeCloseTo(0.007, 10)
  })

  it('keeps the sum where a value just above a bound was counted below it', () => {
    const meter = new FakeMeter()
    const pool = new FakeFigures()
    pool.metrics = { connect: { ...histogramOf([10]), sum: 11, max: 11 } }
    observe(meter, pool)
    meter.collect()
    expect(meter.recorded[CREATE]).toEqual([0.011])
  })

  it('a reset begins anew', () => {
    const meter = new FakeMeter()
    const pool = new FakeFigures()
    pool.metrics = { wait: histogramOf([50, 50, 50]) }
    observe(meter, pool)
    meter.collect()
    pool.metrics = { wait: histogramOf([4, 4]) }
    meter.collect()
    expect(meter.recorded['ssh.client.connection.wait_time']?.slice(3)).toEqual([0.004, 0.004])
  })

  it('reads the durations once per collection', () => {
    const meter = new FakeMeter()
    const pool = new FakeFigures()
    observe(meter, pool)
    meter.collect()
    expect(pool.reads).toBe(1)
  })

  it('after stopping, with a last look, nothing is read any more', () => {
    const meter = new FakeMeter()
    const pool = new FakeFigures()
    const stop = observe(meter, pool)
    pool.metrics = { connect: histogramOf([3]) }
    stop()
    expect(meter.recorded[CREATE]).toEqual([0.003])
    expect(meter.collect()).toEqual({})
    vi.advanceTimersByTime(10_000)
    expect(pool.reads).toBe(1)
  })
})

describe('of a real pool', () => {
  let server: OpenSSHServer
  beforeAll(async () => { server = await OpenSSHServer.start() })
  afterAll(async () => { await server.stop() })

  it('as many durations as there were, adding up to what they took', async () => {
    await using pool = new SSHConnectionPool()
    const meter = new FakeMeter()
    const stop = observe(meter, pool)
    for (let i = 0; i < 5; i++) await pool.exec(server.target(), 'true')
    expect(meter.collect()).toMatchObject({ 'count idle': 1, 'count used': 0 })
    stop()
    const { connect, wait, run } = pool.getMetrics()
    for (const [name, { count, sum }] of Object.entries({ create_time: connect, wait_time: wait, use_time: run })) {
      expect(meter.recorded[`ssh.client.connection.${name}`]).toHaveLength(count)
      expect(meter.sum(`ssh.client.connection.${name}`)).toBeCloseTo(sum / 1_000, 6)
    }
    expect([connect.count, run.count]).toEqual([1, 5])
  })
})
