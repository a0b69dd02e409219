import { InvalidOptionError } from '../errors'
import type { PoolMetrics, PoolStats } from '../types'
import { type Labels, counter, gauge, histogram } from './prometheus-format'

/** What is read of a pool. */
export interface MeasuredPool {
  getStats(): PoolStats
  getMetrics(): PoolMetrics
}

const CONNECTION = 'ssh_client_connection'
const CHANNEL = 'ssh_client_channel'

/** Counters of getStats() that become metrics: [name, field, help]. */
const COUNTERS: readonly (readonly [string, NumericField, string])[] = [
  [`${CONNECTION}_created_total`, 'connectionsCreated', 'Connections made.'],
  [`${CONNECTION}_closed_total`, 'connectionsClosed', 'Connections closed, for whatever reason.'],
  [`${CONNECTION}_lost_total`, 'connectionsLost', 'Connections that broke.'],
  [`${CONNECTION}_failed_total`, 'connectionsFailed', 'Attempts to connect that failed.'],
  [`${CONNECTION}_reused_total`, 'connectionsReused', 'Uses of a connection after its first.'],
  [`${CONNECTION}_reconnections_total`, 'reconnections', 'Targets served again after their connection was lost.'],
  [`${CONNECTION}_hits_total`, 'poolHits', 'Commands that found an open connection.'],
  [`${CONNECTION}_misses_total`, 'poolMisses', 'Commands for which a connection had to be made.'],
  [`${CONNECTION}_timeouts_total`, 'acquireTimeouts', 'Commands whose wait for a connection ran out.'],
  [`${CONNECTION}_events_dropped_total`, 'eventsDropped', 'Events thrown away because nobody fetched them in time.'],
  [`${CHANNEL}_commands_total`, 'commandsRun', 'Commands that ran to their end, whatever their exit code.'],
  [`${CHANNEL}_refusals_total`, 'channelRefusals', 'Channels that a server refused to open.'],
]

type NumericField = { [K in keyof PoolStats]: PoolStats[K] extends number ? K : never }[keyof PoolStats]

/**
 * A pool in Prometheus's text format, durations in seconds. `labels` go onto every sample, to tell pools apart. The
 * durations start anew with `resetMetrics()`, which Prometheus takes as it takes a restart; the counters do not.
 */
export function prometheusText(pool: MeasuredPool, labels: Labels = {}): string {
  checkLabels(labels)
  const stats = pool.getStats()
  return [...gauges(stats, labels), ...counters(stats, labels), ...histograms(pool.getMetrics(), labels)].join('')
}

function gauges(stats: PoolStats, labels: Labels): string[] {
  const one = (name: string, help: string, value: number): string => gauge(name, help, [{ labels, value }])
  return [
    gauge(`${CONNECTION}_count`, 'Open connections, by what they do: idle, or used by at least one command.', [
      { labels: { ...labels, state: 'idle' }, value: stats.idleConnections },
      { labels: { ...labels, state: 'used' }, value: stats.activeConnections },
    ]),
    one(`${CONNECTION}_connecting`, 'Connections being made.', stats.connectingConnections),
    one(`${CONNECTION}_max`, 'Connections the pool allows over all hosts.', stats.limits.maxTotalConnections),
    one(`${CONNECTION}_max_per_host`, 'Connections allowed per host and login, where nothing else is said.', stats.limits.maxConnections),
    one(`${CONNECTION}_pending_requests`, 'Commands that wait for a connection.', stats.queued),
    one(`${CHANNEL}_active`, 'Commands that run now.', stats.activeChannels),
  ]
}

function counters(stats: PoolStats, labels: Labels): string[] {
  return [
    ...COUNTERS.map(([name, field, help]) => counter(name, help, [{ labels, value: stats[field] }])),
    counter(`${CONNECTION}_health_checks_total`, 'Health checks of idle connections, by their result.', [
      { labels: { ...labels, result: 'passed' }, value: stats.healthChecksPassed },
      { labels: { ...labels, result: 'failed' }, value: stats.healthCheckFailures },
    ]),
  ]
}

function histograms({ connect, wait, run, idle }: PoolMetrics, labels: Labels): string[] {
  return [
    histogram(`${CONNECTION}_create_time_seconds`, 'From dialing to the accepted login.', connect, labels),
    histogram(`${CONNECTION}_wait_time_seconds`, 'From asking for a connection to having one.', wait, labels),
    histogram(`${CONNECTION}_use_time_seconds`, 'From opening a channel to its end.', run, labels),
    histogram(`${CONNECTION}_idle_time_seconds`, 'How long connections were free before they were used again.', idle, labels),
  ]
}

/** Labels that the metrics above set themselves. */
const OWN_LABELS = ['le', 'state', 'result']

function checkLabels(labels: Labels): void {
  for (const name of Object.keys(labels)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || name.startsWith('__') || OWN_LABELS.includes(name)) {
      const right = `letters, digits and _, not starting with a digit or __, and none of ${OWN_LABELS.join(', ')}`
      throw new InvalidOptionError(`labels[${JSON.stringify(name)}]`, `expected a name of ${right}`)
    }
  }
}
