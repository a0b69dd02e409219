import { type HistogramRecord, type MetricsSnapshot, type PoolSettings, type StatsSnapshot, histogramBounds } from '../binding'
import type { Histogram, PoolLimits, PoolMetrics, PoolStats } from '../types'
import { poolFigures, poolLimits, ratio } from './stats'

/** The part of the native pool that measures. */
interface Source {
  stats(): StatsSnapshot
  metrics(): MetricsSnapshot
  resetMetrics(): void
}

/** What only grows. Everything else in a snapshot says how things are now. */
const COUNTERS = [
  'poolHits', 'poolMisses', 'connectionsCreated', 'connectionsReused', 'connectionsFailed', 'connectionsClosed',
  'connectionsLost', 'acquireTimeouts', 'channelRefusals', 'permitsGranted', 'reconnections', 'healthChecksPassed',
  'healthCheckFailures', 'eventsDropped', 'connectTimeTotal', 'idleTimeTotal',
] as const satisfies readonly (keyof StatsSnapshot)[]

const BOUNDS = histogramBounds()

/** A pool's figures: as the pool has counted them from its first day, and since the last reset. */
export class Meter {
  readonly #source: Source
  readonly #limits: PoolLimits
  #commandsRun = 0
  #reset: { snapshot: StatsSnapshot; commandsRun: number } | undefined

  constructor(source: Source, settings: PoolSettings) {
    this.#source = source
    this.#limits = poolLimits(settings)
  }

  /** A command has run to its end. */
  countCommand(): void {
    this.#commandsRun += 1
  }

  stats(): PoolStats {
    return { ...poolFigures(this.#source.stats(), this.#commandsRun), limits: { ...this.#limits } }
  }

  metrics(): PoolMetrics {
    const { connect, wait, run, idle } = this.#source.metrics()
    const stats = poolFigures(this.#sinceReset(), this.#commandsRun - (this.#reset?.commandsRun ?? 0))
    const { connectionsCreated, connectionsReused } = stats
    return {
      ...stats,
      connectionsDestroyed: stats.connectionsClosed,
      reuseCount: connectionsReused,
      averageUseCount: ratio(connectionsCreated + connectionsReused, connectionsCreated),
      connect: histogram(connect),
      wait: histogram(wait),
      run: histogram(run),
      idle: histogram(idle),
    }
  }

  reset(): void {
    this.#source.resetMetrics()
    this.#reset = { snapshot: this.#source.stats(), commandsRun: this.#commandsRun }
  }

  #sinceReset(): StatsSnapshot {
    const snapshot = this.#source.stats()
    if (this.#reset === undefined) return snapshot
    for (const name of COUNTERS) snapshot[name] -= this.#reset.snapshot[name]
    return snapshot
  }
}

function histogram({ cumulative, ...figures }: HistogramRecord): Histogram {
  return { ...figures, buckets: BOUNDS.map((atMost, index) => ({ atMost, count: cumulative[index] ?? 0 })) }
}
