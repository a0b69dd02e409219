import type { ConnectionSnapshot, StatsSnapshot } from '../binding'
import type { ConnectionInfo, PoolStats } from '../types'

/** The engine counts permits, of which a command may take several when channels are refused; callers ask for commands. */
export function poolStats(snapshot: StatsSnapshot, commandsRun: number): PoolStats {
  const { connectTimeTotal, idleTimeTotal, lastCleanup, ...counters } = snapshot
  return {
    ...counters,
    commandsRun,
    averageConnectionTime: ratio(connectTimeTotal, snapshot.connectionsCreated),
    averageIdleTime: ratio(idleTimeTotal, snapshot.connectionsReused),
    poolEfficiency: ratio(snapshot.poolHits, snapshot.poolHits + snapshot.poolMisses),
    lastCleanup: lastCleanup === undefined ? null : new Date(lastCleanup),
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
