import type { HostPoolConfig } from '../types'
import { atLeast, moreThanZero } from './numbers'

/**
 * How many connections a load needs when each runs one command at a time: what is under way on average (rate × duration),
 * half as much again for peaks, no more than the wanted concurrency, at least one. With several commands per connection
 * (`channelsPerConnection`), as many fewer.
 */
export function calculateOptimalPoolSize(
  commandsPerSecond: number, averageDurationMs: number, targetConcurrency: number, channelsPerConnection = 1,
): number {
  atLeast('commandsPerSecond', commandsPerSecond, 0)
  atLeast('averageDurationMs', averageDurationMs, 0)
  atLeast('targetConcurrency', targetConcurrency, 1)
  atLeast('channelsPerConnection', channelsPerConnection, 1)
  const underWay = Math.ceil((commandsPerSecond * averageDurationMs) / 1_000)
  const withReserve = Math.ceil(underWay * 1.5)
  return Math.max(1, Math.ceil(Math.min(withReserve, targetConcurrency) / channelsPerConnection))
}

/**
 * Keepalive settings for a server (or a firewall) that drops connections it has not heard from for `serverTimeoutMs`:
 * ask at least twice in that time, not more often than every 15 s or ten round trips, and close an unused connection
 * before the server does.
 */
export function optimizeKeepAlive(
  latencyMs: number, serverTimeoutMs: number,
): Required<Pick<HostPoolConfig, 'keepAlive' | 'keepAliveInterval' | 'idleTimeout'>> {
  atLeast('latencyMs', latencyMs, 0)
  moreThanZero('serverTimeoutMs', serverTimeoutMs)
  return {
    keepAlive: true,
    keepAliveInterval: Math.min(serverTimeoutMs * 0.5, Math.max(15_000, latencyMs * 10)),
    idleTimeout: serverTimeoutMs * 0.8,
  }
}
