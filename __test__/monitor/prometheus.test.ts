import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InvalidOptionError, SSHConnectionPool, prometheusText } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { type Family, parseExposition } from './exposition'
import { FakeFigures, histogramOf } from './fake-figures'

const valueOf = (families: Map<string, Family>, name: string, labels: Record<string, string> = {}): number | undefined =>
  families.get(name)?.samples.find((sample) => Object.entries(labels).every(([label, text]) => sample.labels[label] === text))?.value

describe('the strict reader', () => {
  it.each([
    ['no newline at the end', '# HELP a b\n# TYPE a gauge\na 1'],
    ['no TYPE', '# HELP a b\na 1\n'],
    ['no samples', '# HELP a b\n# TYPE a gauge\n'],
    ['a counter without _total', '# HELP a b\n# TYPE a counter\na 1\n'],
    ['a number that is none', '# HELP a b\n# TYPE a gauge\na undefined\n'],
    ['an unescaped quote', '# HELP a b\n# TYPE a gauge\na{b="c"d"} 1\n'],
    ['a bucket that shrinks', '# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n'],
    ['a histogram without +Inf', '# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 1\na_sum 1\na_count 1\n'],
    ['a family twice', '# HELP a b\n# TYPE a gauge\na 1\n# HELP a b\n# TYPE a gauge\na 1\n'],
  ])('refuses %s', (_what, text) => {
    expect(() => parseExposition(text)).toThrow()
  })
})

describe('prometheusText', () => {
  it('has these names, of these types', () => {
    const families = parseExposition(prometheusText(new FakeFigures()))
    expect(Object.fromEntries([...families].map(([name, { type }]) => [name, type]))).toEqual({
      ssh_client_connection_count: 'gauge',
      ssh_client_connection_connecting: 'gauge',
      ssh_client_connection_max: 'gauge',
      ssh_client_connection_max_per_host: 'gauge',
      ssh_client_connection_pending_requests: 'gauge',
      ssh_client_channel_active: 'gauge',
      ssh_client_connection_created_total: 'counter',
      ssh_client_connection_closed_total: 'counter',
      ssh_client_connection_lost_total: 'counter',
      ssh_client_connection_failed_total: 'counter',
      ssh_client_connection_reused_total: 'counter',
      ssh_client_connection_reconnections_total: 'counter',
      ssh_client_connection_hits_total: 'counter',
      ssh_client_connection_misses_total: 'counter',
      ssh_client_connection_timeouts_total: 'counter',
      ssh_client_connection_events_dropped_total: 'counter',
      ssh_client_connection_health_checks_total: 'counter',
      ssh_client_channel_commands_total: 'counter',
      ssh_client_channel_refusals_total: 'counter',
      ssh_client_connection_create_time_seconds: 'histogram',
      ssh_client_connection_wait_time_seconds: 'histogram',
      ssh_client_connection_use_time_seconds: 'histogram',
      ssh_client_connection_idle_time_seconds: 'histogram',
    })
  })

  it('each figure is where its name says', () => {
    const pool = new FakeFigures()
    pool.stats = {
      idleConnections: 1, activeConnections: 2, connectingConnections: 3, queued: 4, activeChannels: 5, connectionsCreated: 6,
      connectionsClosed: 7, connectionsLost: 8, connectionsFailed: 9, connectionsReused: 10, reconnections: 11, poolHits: 12,
      poolMisses: 13, acquireTimeouts: 14, eventsDropped: 15, commandsRun: 16, channelRefusals: 17, healthChecksPassed: 18,
      healthCheckFailures: 19,
    }
    const values = [...parseExposition(prometheusText(pool)).values()]
      .filter(({ type }) => type !== 'histogram').flatMap(({ samples }) => samples)
      .map(({ name, labels, value }) => [`${name}${Object.values(labels).map((text) => `:${text}`).join('')}`, value])
    expect(Object.fromEntries(values)).toEqual({
      'ssh_client_connection_count:idle': 1, 'ssh_client_connection_count:used': 2, 'ssh_client_connection_connecting': 3,
      'ssh_client_connection_max': 100, 'ssh_client_connection_max_per_host': 10,
      'ssh_client_connection_pending_requests': 4, 'ssh_client_channel_active': 5, 'ssh_client_connection_created_total': 6,
      'ssh_client_connection_closed_total': 7, 'ssh_client_connection_lost_total': 8, 'ssh_client_connection_failed_total': 9,
      'ssh_client_connection_reused_total': 10, 'ssh_client_connection_reconnections_total': 11,
      'ssh_client_connection_hits_total': 12, 'ssh_client_connection_misses_total': 13,
      'ssh_client_connection_timeouts_total': 14, 'ssh_client_connection_events_dropped_total': 15,
      'ssh_client_channel_commands_total': 16, 'ssh_client_channel_refusals_total': 17,
      'ssh_client_connection_health_checks_total:passed': 18, 'ssh_client_connection_health_checks_total:failed': 19,
    })
  })

  it('durations are cumulative buckets in seconds', () => {
    const pool = new FakeFigures()
    pool.metrics = { connect: histogramOf([0.5, 5, 7, 50, 2_000]), wait: histogramOf([1]), run: histogramOf([1, 1]), idle: histogramOf([]) }
    const families = parseExposition(prometheusText(pool))
    const name = 'ssh_client_connection_create_time_seconds'
    expect(families.get(name)?.samples).toEqual([
      { name: `${name}_bucket`, labels: { le: '0.001' }, value: 1 },
      { name: `${name}_bucket`, labels: { le: '0.01' }, value: 3 },
      { name: `${name}_bucket`, labels: { le: '0.1' }, value: 4 },
      { name: `${name}_bucket`, labels: { le: '+Inf' }, value: 5 },
      { name: `${name}_sum`, labels: {}, value: 2.0625 },
      { name: `${name}_count`, labels: {}, value: 5 },
    ])
    const counts = ['wait', 'use', 'idle'].map((what) => families.get(`ssh_client_connection_${what}_time_seconds`)?.samples.at(-1)?.value)
    expect(counts).toEqual([1, 2, 0])
  })

  it('labels are on every sample, escaped', () => {
    const labels = { pool: 'a "b" \\ c\nd', zone: '1' }
    const samples = [...parseExposition(prometheusText(new FakeFigures(), labels)).values()].flatMap((family) => family.samples)
    for (const sample of samples) expect(sample.labels).toMatchObject(labels)
  })

  it.each(['le', 'state', 'result', '1a', 'a-b', '__name__', ''])('a label cannot be called %j', (name) => {
    expect(() => prometheusText(new FakeFigures(), { [name]: 'x' })).toThrow(InvalidOptionError)
  })
})

describe('of a real pool', () => {
  let server: OpenSSHServer
  beforeAll(async () => { server = await OpenSSHServer.start() })
  afterAll(async () => { await server.stop() })

  it('tells what happened; a reset empties the durations and leaves the counters', async () => {
    await using pool = new SSHConnectionPool()
    for (let i = 0; i < 3; i++) await pool.exec(server.target(), 'true')
    const before = parseExposition(prometheusText(pool))
    expect(valueOf(before, 'ssh_client_connection_count', { state: 'idle' })).toBe(1)
    expect(valueOf(before, 'ssh_client_channel_commands_total')).toBe(3)
    const counts = (families: Map<string, Family>): (number | undefined)[] =>
      ['create', 'wait', 'use', 'idle'].map((what) => families.get(`ssh_client_connection_${what}_time_seconds`)?.samples.at(-1)?.value)
    expect(counts(before)).toEqual([1, 3, 3, 2])
    const sum = before.get('ssh_client_connection_create_time_seconds')?.samples.at(-2)?.value ?? 0
    // Seconds: a login on this machine takes some milliseconds.
    expect(sum).toBeGreaterThan(0.0005)
    expect(sum).toBeLessThan(5)
    pool.resetMetrics()
    const after = parseExposition(prometheusText(pool))
    expect(counts(after)).toEqual([0, 0, 0, 0])
    expect(valueOf(after, 'ssh_client_channel_commands_total')).toBe(3)
  })
})
