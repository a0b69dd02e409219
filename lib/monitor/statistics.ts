import type { PoolStats } from '../types'

/** A pool's figures as other programs' statistics endpoints name them. Durations are seconds. */
export interface StatisticsReport {
  success: true
  pool_stats: {
    total_connections: number
    alive_connections: number
    in_use_connections: number
    idle_connections: number
    idle_timeout: number
    max_lifetime: number
  }
}

export function statisticsReport({ limits, ...stats }: PoolStats): StatisticsReport {
  return {
    success: true,
    pool_stats: {
      total_connections: stats.totalConnections,
      alive_connections: stats.aliveConnections,
      in_use_connections: stats.inUseConnections,
      idle_connections: stats.idleConnections,
      idle_timeout: limits.idleTimeout / 1_000,
      max_lifetime: limits.maxLifetime / 1_000,
    },
  }
}
