import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Bed, StartBed } from '../../support/bed'
import { failureOf } from '../../support/failure'
import { KubernetesConnectionPool, type KubernetesPoolOptions } from '../../support/native'
import { Relay } from '../../support/relay'
import { until } from '../../support/wait'

/** What a pool tells of itself, on any cluster: each event that there is, and each figure. */
export function poolEvents(start: StartBed): void {
  let bed: Bed
  let relay: Relay
  let kubeconfig: string
  const pools: KubernetesConnectionPool[] = []

  beforeAll(async () => {
    bed = await start()
    await bed.pod({ name: 'web' })
    const own = await bed.kubeconfig()
    const config = JSON.parse(readFileSync(own, 'utf8')) as { clusters: [{ cluster: { server: string } }] }
    const { hostname, port } = new URL(config.clusters[0].cluster.server)
    relay = await Relay.start({ host: hostname, port: Number(port) })
    config.clusters[0].cluster.server = `https://127.0.0.1:${relay.port}`
    kubeconfig = path.join(bed.folder, 'through-relay')
    writeFileSync(kubeconfig, JSON.stringify(config))
  }, 180_000)

  afterEach(async () => { for (const pool of pools.splice(0)) await pool.dispose() })

  afterAll(async () => {
    await relay.stop()
    await bed.stop()
  })

  function poolOf(options: KubernetesPoolOptions = {}): KubernetesConnectionPool {
    const pool = new KubernetesConnectionPool({ kubeconfig, ...options })
    pools.push(pool)
    return pool
  }

  const INFO = (): object => expect.objectContaining({ host: '127.0.0.1', port: relay.port, connection: expect.any(Number) as number }) as object
  const HOST = '127.0.0.1'

  /** The arguments of each emission, as they come. */
  function heard(pool: KubernetesConnectionPool, event: Parameters<KubernetesConnectionPool['on']>[0]): unknown[][] {
    const emissions: unknown[][] = []
    pool.on(event, (...args: unknown[]) => { emissions.push(args) })
    return emissions
  }

  test('created, reused, idle and closed: a client\'s life', async () => {
    const pool = poolOf()
    const [created, reused, idle, closed] = [heard(pool, 'connection:created'), heard(pool, 'connection:reused'), heard(pool, 'connection:idle'), heard(pool, 'connection:closed')]
    await pool.exec('web', 'true')
    expect(created).toEqual([[HOST, expect.any(Number), INFO()]])
    expect(reused).toEqual([])
    await pool.exec('web', 'true')
    expect(reused).toEqual([[HOST, INFO()]])
    expect(idle).toEqual([[HOST, expect.any(Number), INFO()]])
    await pool.closeAll()
    expect(closed).toEqual([[HOST, 'pool_removal', INFO()]])
    expect(pool.getStats()).toMatchObject({ connectionsCreated: 1, connectionsReused: 1, connectionsClosed: 1, connectionsLost: 0, poolHits: 1, poolMisses: 1, poolEfficiency: 0.5 })
  })

  test('closed, and cleanup, after the idle time', async () => {
    const pool = poolOf({ idleTimeout: 50, cleanupInterval: 50 })
    const [closed, cleanup] = [once(pool, 'connection:closed'), once(pool, 'cleanup')]
    await pool.exec('web', 'true')
    expect(await closed).toEqual([HOST, 'idle_timeout', INFO()])
    expect((await cleanup).slice(0, 2)).toEqual([1, 0])
    expect(pool.getStats().lastCleanup).toBeInstanceOf(Date)
  })

  test('retire: an old client ends what runs, and no more', async () => {
    const pool = poolOf({ maxLifetime: 500 })
    const [retire, closed] = [once(pool, 'retire'), once(pool, 'connection:closed')]
    const running = pool.spawn('web', 'echo up; read -r line; echo "$line"')
    const lines = running[Symbol.asyncIterator]()
    expect((await lines.next()).value).toBe('up')
    expect(await retire).toEqual([HOST, 'max_lifetime_exceeded', INFO()])
    expect(pool.getConnections()).toMatchObject([{ state: 'retiring' }])
    running.stdin.end('to the end\n')
    expect((await lines.next()).value).toBe('to the end')
    expect(await running.done).toMatchObject({ exitCode: 0 })
    expect(await closed).toEqual([HOST, 'max_lifetime_exceeded', INFO()])
  })

  test('pool:full, queue and acquire: a command waits for its turn', async () => {
    const pool = poolOf({ maxConnections: 1, channelsPerConnection: 1 })
    const [full, queue, acquire] = [heard(pool, 'pool:full'), heard(pool, 'queue'), heard(pool, 'acquire')]
    const first = pool.spawn('web', 'echo up; read -r line')
    const lines = first[Symbol.asyncIterator]()
    expect((await lines.next()).value).toBe('up')
    const [waits, second] = [once(pool, 'pool:full'), pool.exec('web', 'echo second')]
    await waits
    expect(pool.getStats()).toMatchObject({ queued: 1, activeConnections: 1, inUseConnections: 1, activeChannels: 1 })
    first.stdin.end('\n')
    await first.done
    expect(await second).toMatchObject({ stdout: 'second\n' })
    expect(full).toEqual([[HOST, expect.objectContaining({ host: HOST, port: relay.port })]])
    expect([queue.length, acquire.length]).toEqual([2, 2])
    expect(pool.getStats()).toMatchObject({ queued: 0, permitsGranted: 2, commandsRun: 2 })
    const impatient = poolOf({ maxConnections: 1, channelsPerConnection: 1, acquireTimeout: 50 })
    const long = impatient.spawn('web', 'echo up; read -r line')
    expect((await long[Symbol.asyncIterator]().next()).value).toBe('up')
    expect(await failureOf(impatient.exec('web', 'true'))).toMatchObject({ code: 'ETIMEDOUT', phase: 'queue' })
    expect(impatient.getStats()).toMatchObject({ acquireTimeouts: 1 })
    long.stdin.end('\n')
    await long.done
  })

  test('closed as evicted where another cluster\'s needs its place', async () => {
    const pool = poolOf({ maxTotalConnections: 1 })
    const closed = once(pool, 'connection:closed')
    await pool.exec('web', 'true')
    await pool.createContext({ namespace: 'kube-system' }).request('GET', '/version')
    expect(await closed).toEqual([HOST, 'evicted', INFO()])
  })

  test('closed after each command where nothing is to be kept', async () => {
    const pool = poolOf({ enabled: false })
    const closed = once(pool, 'connection:closed')
    await pool.exec('web', 'true')
    expect(await closed).toEqual([HOST, 'pooling_disabled', INFO()])
  })

  test('failed: there is no way to the cluster', async () => {
    const pool = poolOf({ reconnect: { enabled: false } })
    await relay.kill()
    try {
      const failed = once(pool, 'connection:failed')
      const failure = await failureOf(pool.exec('web', 'true'))
      expect(failure).toMatchObject({ code: 'ECONNREFUSED' })
      expect((await failed).slice(0, 2)).toEqual([HOST, expect.objectContaining({ code: 'ECONNREFUSED' })])
      expect(pool.getStats()).toMatchObject({ connectionsFailed: 1, connectionsCreated: 0, totalConnections: 0 })
    } finally {
      await relay.resume()
    }
  })

  test('error, closed, reconnecting and reconnected: the API server goes and comes back', async () => {
    const pool = poolOf({ reconnect: { maxRetries: 100, initialDelay: 20, maxDelay: 100 } })
    const [error, closed] = [once(pool, 'connection:error'), once(pool, 'connection:closed')]
    const [reconnecting, reconnected] = [heard(pool, 'connection:reconnecting'), heard(pool, 'connection:reconnected')]
    await pool.exec('web', 'true')
    let next: Promise<{ stdout: string }>
    await relay.kill()
    try {
      expect(await failureOf(pool.exec('web', 'true'))).toMatchObject({ kind: expect.stringMatching(/^connection-/) as string })
      expect((await error).slice(0, 2)).toEqual([HOST, expect.objectContaining({ code: 'ECONNLOST' })])
      expect(await closed).toEqual([HOST, 'connection_dead', INFO()])
      next = pool.exec('web', 'echo back')
      next.catch(() => undefined)
      await until('it is tried', () => reconnecting.length > 0)
    } finally {
      await relay.resume()
    }
    expect(await next).toMatchObject({ stdout: 'back\n' })
    expect(reconnecting[0]?.slice(0, 2)).toEqual([HOST, 1])
    expect(reconnected).toEqual([[HOST, INFO()]])
    expect(pool.getStats()).toMatchObject({ connectionsLost: 1, reconnections: 1, totalConnections: 1 })
  })

  test('healthy, and unhealthy where the cluster is there and says nothing', async () => {
    const pool = poolOf({ healthCheck: { interval: 50, timeout: 1_000, failureThreshold: 2 } })
    const [healthy, unhealthy, closed] = [once(pool, 'connection:healthy'), once(pool, 'connection:unhealthy'), once(pool, 'connection:closed')]
    await pool.exec('web', 'true')
    expect(await healthy).toEqual([HOST, INFO()])
    expect(pool.getStats().healthChecksPassed).toBeGreaterThan(0)
    relay.hold()
    try {
      expect(await unhealthy).toEqual([HOST, expect.objectContaining({ code: 'ETIMEDOUT' }), INFO()])
      expect(await closed).toEqual([HOST, 'unhealthy', INFO()])
      expect(pool.getStats().healthCheckFailures).toBeGreaterThanOrEqual(2)
    } finally {
      relay.release()
    }
    expect(await pool.exec('web', 'echo well')).toMatchObject({ stdout: 'well\n' })
  })

  test('closed as quarantined where nobody knows what has become of a command', async () => {
    const pool = poolOf()
    await pool.exec('web', 'true')
    const [retire, closed] = [once(pool, 'retire'), once(pool, 'connection:closed')]
    relay.hold()
    try {
      expect(await failureOf(pool.exec('web', 'true', { timeout: 300 }))).toMatchObject({ code: 'ETIMEDOUT' })
      expect(await retire).toEqual([HOST, 'quarantined', INFO()])
      expect(await closed).toEqual([HOST, 'quarantined', INFO()])
    } finally {
      relay.release()
    }
    expect(await pool.exec('web', 'echo well')).toMatchObject({ stdout: 'well\n' })
  })

  test('drain: it is over', async () => {
    const pool = poolOf()
    await pool.exec('web', 'true')
    const drained = once(pool, 'drain')
    expect(await pool.drain()).toBe(true)
    await drained
  })

  test('what happened before a command ended is emitted before its promise settles', async () => {
    const pool = poolOf()
    const order: string[] = []
    pool.on('connection:created', () => { order.push('created') })
    pool.on('acquire', () => { order.push('acquire') })
    await pool.exec('web', 'true').then(() => { order.push('ended') })
    expect(order).toEqual(['created', 'acquire', 'ended'])
  })

  test('every figure has its value, and durations are measured', async () => {
    const pool = poolOf()
    await pool.exec('web', 'true')
    await pool.exec('web', 'exit 3')
    const stats = pool.getStats()
    expect(stats).toMatchObject({
      totalConnections: 1, activeConnections: 0, inUseConnections: 0, idleConnections: 1, aliveConnections: 1, connectingConnections: 0, queued: 0,
      activeChannels: 0, permitsGranted: 2, commandsRun: 2, connectionsFailed: 0, acquireTimeouts: 0, channelRefusals: 0, eventsDropped: 0,
    })
    expect(stats.averageConnectionTime).toBeGreaterThan(0)
    const metrics = pool.getMetrics()
    expect(metrics).toMatchObject({ reuseCount: 1, averageUseCount: 2, connectionsDestroyed: 0, connect: { count: 1 }, wait: { count: 2 }, run: { count: 2 }, idle: { count: 1 } })
    expect(metrics.run.max).toBeGreaterThanOrEqual(metrics.run.p50)
    pool.resetMetrics()
    expect(pool.getMetrics()).toMatchObject({ reuseCount: 0, totalConnections: 1, run: { count: 0 } })
    expect(pool.getStats()).toMatchObject({ connectionsReused: 1 })
    expect(pool.getConnections()).toMatchObject([{ host: HOST, port: relay.port, state: 'idle', useCount: 2, channels: 0, channelLimit: 100, errors: 0 }])
  })
}
