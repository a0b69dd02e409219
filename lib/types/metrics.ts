import type { PoolStats } from './pool'

/** How many durations were at most this long, the shorter ones included. */
export interface HistogramBucket {
  atMost: number
  count: number
}

/** Durations in milliseconds. A percentile is up to a fifth too high, never above `max`. */
export interface Histogram {
  count: number
  sum: number
  max: number
  p50: number
  p90: number
  p99: number
  buckets: HistogramBucket[]
}

/** The figures of `getStats()`, counted since the last `resetMetrics()`, and durations. */
export interface PoolMetrics extends Omit<PoolStats, 'limits'> {
  /** Another name of `connectionsClosed`. */
  connectionsDestroyed: number
  /** Another name of `connectionsReused`. */
  reuseCount: number
  /** Commands per connection made. */
  averageUseCount: number
  /** From dialing to the accepted login. */
  connect: Histogram
  /** From asking for a connection to having one, commands that need not wait included. */
  wait: Histogram
  /** From opening a channel to its end. */
  run: Histogram
  /** How long connections were free before they were used again. */
  idle: Histogram
}
