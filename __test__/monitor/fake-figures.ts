import { type Histogram, type PoolMetrics, type PoolStats, SSHConnectionPool } from '../support/native'

const BOUNDS = [1, 10, 100]

/** A histogram of these durations. */
export function histogramOf(values: number[]): Histogram {
  return {
    count: values.length, sum: values.reduce((sum, value) => sum + value, 0), max: Math.max(0, ...values), p50: 0, p90: 0, p99: 0,
    buckets: BOUNDS.map((atMost) => ({ atMost, count: values.filter((value) => value <= atMost).length })),
  }
}

/** A pool whose figures the test sets. What it does not set is as in a new pool. */
export class FakeFigures {
  stats: Partial<PoolStats> = {}
  metrics: Partial<PoolMetrics> = {}
  reads = 0
  readonly #real = new SSHConnectionPool()

  getStats(): PoolStats {
    return { ...this.#real.getStats(), ...this.stats }
  }

  getMetrics(): PoolMetrics {
    this.reads += 1
    return { ...this.#real.getMetrics(), ...this.metrics }
  }
}
