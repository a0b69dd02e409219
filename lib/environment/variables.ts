import { InvalidOptionError } from '../errors'
import type { PoolOptions } from '../types'

type Environment = Readonly<Record<string, string | undefined>>

const LONGEST = 2 ** 31 - 1

/** What the SSH_POOL_* variables ask of the pool. Each is read by its own rule; one that is not set has its default. */
export function poolOptionsFrom(env: Environment): PoolOptions {
  const idleTimeout = integer(env, 'SSH_POOL_IDLE_TIMEOUT_MS', 60_000, { min: 0, max: LONGEST, unit: 'milliseconds, 0 for never' })
  return {
    maxConnections: integer(env, 'SSH_POOL_MAX_CONNECTIONS', 5, { min: 1, max: 10_000, unit: 'connections per host' }),
    idleTimeout,
    connectionTimeout: integer(env, 'SSH_POOL_CONNECTION_TIMEOUT_MS', 5_000, { min: 1, max: LONGEST, unit: 'milliseconds' }),
    healthCheck: {
      enabled: boolean(env, 'SSH_POOL_HEALTH_CHECKS', true),
      interval: integer(env, 'SSH_POOL_HEALTH_CHECK_INTERVAL_MS', 30_000, { min: 1, max: LONGEST, unit: 'milliseconds' }),
      command: 'echo ok',
      // A connection that fails its check is removed, not given another chance.
      failureThreshold: 1,
    },
    // One command per connection, and no waiting: the sixth command at once is refused, as those variables' users know it.
    channelsPerConnection: 1,
    whenExhausted: 'fail',
    // The limit is per host; there is no variable for one over all of them.
    maxTotalConnections: 100_000,
    cleanupInterval: cleanupInterval(idleTimeout),
  }
}

/** Often enough that an idle connection is not open for much longer than its timeout says. */
function cleanupInterval(idleTimeout: number): number {
  if (idleTimeout === 0) return 60_000
  return Math.min(60_000, Math.max(50, Math.ceil(idleTimeout / 4)))
}

interface Range {
  min: number
  max: number
  unit: string
}

function integer(env: Environment, name: string, fallback: number, { min, max, unit }: Range): number {
  const text = given(env, name)
  if (text === undefined) return fallback
  const value = Number(text)
  // Digits alone: Number() would also take '1e3', '0x10' and '5.0', which nobody means here.
  if (!/^\d+$/.test(text) || value < min || value > max) {
    const right = `an integer from ${min} to ${max} (${unit})`
    throw new InvalidOptionError(name, `expected ${right}, got ${JSON.stringify(text)}; leave it unset for ${fallback}`)
  }
  return value
}

function boolean(env: Environment, name: string, fallback: boolean): boolean {
  const text = given(env, name)?.toLowerCase()
  if (text === undefined) return fallback
  if (text === 'true' || text === '1') return true
  if (text === 'false' || text === '0') return false
  throw new InvalidOptionError(name, `expected true or false, got ${JSON.stringify(text)}; leave it unset for ${fallback}`)
}

/** Empty is unset: that is how shells and compose files pass on a variable that is not there. */
function given(env: Environment, name: string): string | undefined {
  const text = env[name]?.trim()
  return text === '' ? undefined : text
}
