import { InvalidOptionError } from '../errors'
import type { HostPoolConfig } from '../types'
import { boolean, duration, integer, nonEmptyText, oneOf, positiveDuration } from './checks'
import { type Check, shape } from './schema'

const MANY = 1_000_000

export const hostConfigFields = {
  enabled: boolean,
  maxConnections: integer(1, 10_000),
  channelsPerConnection: integer(1, 10_000),
  minIdle: integer(0, 10_000),
  warmUpConnections: integer(0, 10_000),
  whenExhausted: oneOf('queue', 'fail'),
  acquireTimeout: duration,
  maxQueue: integer(1, MANY),
  connectionTimeout: positiveDuration,
  idleTimeout: duration,
  maxLifetime: duration,
  keepAlive: boolean,
  keepAliveInterval: positiveDuration,
  keepAliveCountMax: integer(1, 1_000),
  healthCheck: shape({
    enabled: boolean,
    interval: positiveDuration,
    timeout: positiveDuration,
    command: nonEmptyText,
    failureThreshold: integer(1, 1_000),
  }),
  reconnect: shape({
    enabled: boolean,
    maxRetries: integer(0, 1_000),
    initialDelay: duration,
    maxDelay: duration,
    backoff: oneOf('exponential', 'linear', 'fixed'),
  }),
  autoReconnect: boolean,
  maxReconnectAttempts: integer(0, 1_000),
  reconnectDelay: duration,
  maxRetries: integer(0, 1_000),
  leakDetectionThreshold: duration,
  shell: oneOf('login', 'persistent'),
}

const fields = shape(hostConfigFields)

export const hostConfig: Check<HostPoolConfig> = (value, option) => consistent(fields(value, option), option)

/** Rules between two options of one object. */
export function consistent<T extends HostPoolConfig>(config: T, option: string): T {
  const path = (name: string): string => (option === '' ? name : `${option}.${name}`)
  const { maxConnections, minIdle, warmUpConnections, reconnect } = config
  if (maxConnections !== undefined && (minIdle ?? 0) > maxConnections) {
    throw new InvalidOptionError(path('minIdle'), `it must not be more than maxConnections (${maxConnections})`)
  }
  if (maxConnections !== undefined && (warmUpConnections ?? 0) > maxConnections) {
    throw new InvalidOptionError(path('warmUpConnections'), `it must not be more than maxConnections (${maxConnections})`)
  }
  if (reconnect?.initialDelay !== undefined && reconnect.maxDelay !== undefined && reconnect.initialDelay > reconnect.maxDelay) {
    throw new InvalidOptionError(path('reconnect.initialDelay'), `it must not be more than maxDelay (${reconnect.maxDelay})`)
  }
  return config
}
