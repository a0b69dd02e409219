import type { PoolStats } from '../../types'
import { ratio } from '../../pool/stats'

/** @xec-sh/core's figures. `active` means busy, `idle` means open and free. */
export interface ConnectionPoolMetrics {
  activeConnections: number
  idleConnections: number
  totalConnections: number
  connectionsCreated: number
  connectionsDestroyed: number
  connectionsFailed: number
  reuseCount: number
  /** Milliseconds */
  averageIdleTime: number
  /** Commands per connection */
  averageUseCount: number
  lastCleanup: Date | null
}

export function connectionPoolMetrics(stats: PoolStats): ConnectionPoolMetrics {
  const { connectionsCreated, connectionsReused } = stats
  return {
    activeConnections: stats.activeConnections,
    idleConnections: stats.idleConnections,
    totalConnections: stats.totalConnections,
    connectionsCreated,
    connectionsDestroyed: stats.connectionsClosed,
    connectionsFailed: stats.connectionsFailed,
    reuseCount: connectionsReused,
    averageIdleTime: stats.averageIdleTime,
    averageUseCount: ratio(connectionsCreated + connectionsReused, connectionsCreated),
    lastCleanup: stats.lastCleanup,
  }
}
