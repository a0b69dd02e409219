import type { ConnectionSnapshot, PoolSettings, StatsSnapshot } from '../binding'
import type { ConnectionInfo, PoolLimits, PoolStats } from '../types'

/** The engine counts permits, of which a command may take several when channels are refused; callers ask for commands. */
export function poolFigures(snapshot: StatsSnapshot, commandsRun: number): Omit<PoolStats, 'limits'> {
  const { connectTimeTotal, idleTimeTotal, lastCleanup, ...counters } = snapshot
  return {
    ...counters,
    aliveConnections: snapshot.activeConnections + snapshot.idleConnections,
    inUseConnections: snapshot.activeConnections,
    commandsRun,
    averageConnectionTime: ratio(connectTimeTotal, snapshot.connectionsCreated),
    averageIdleTime: ratio(idleTimeTotal, snapshot.connectionsReused),
    poolEfficiency: ratio(snapshot.poolHits, snapshot.poolHits + snapshot.poolMisses),
    lastCleanup: lastCleanup === undefined ? null : new Date(lastCleanup),
  }
}

export function poolLimits({ host, maxTotalConnections }: PoolSettings): PoolLimits {
  const { maxConnections, channelsPerConnection, maxQueue, acquireTimeout, connectionTimeout, idleTimeout, maxLifetime } = host
  return {
    maxConnections, maxTotalConnections, channelsPerConnection, maxQueue, acquireTimeout, connectionTimeout, idleTimeout,
    maxLifetime,
  }
}

/** 0 while there is nothing to divide by. */
export function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}

export function connectionInfo(snapshot: ConnectionSnapshot): ConnectionInfo {
  return {
    ...snapshot,
    state: toState(snapshot.state),
    created: new Date(snapshot.created),
    lastUsed: new Date(snapshot.lastUsed),
  }
}

const STATES = ['idle', 'active', 'retiring', 'closing'] as const

function toState(state: string): ConnectionInfo['state'] {
  return STATES.find((known) => known === state) ?? 'closing'
}
