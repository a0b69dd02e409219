import type { HealthSettings, HostSettings, PoolSettings } from '../binding'
import type { HostPoolConfig, PoolOptions } from '../types'
import { reconnectSettings, withOneSpelling } from './reconnect'

/** `config` in the engine's words, defaults filled in. Options the engine has no use for are left behind here. */
export function hostSettings(config: HostPoolConfig): HostSettings {
  return {
    enabled: config.enabled ?? true,
    maxConnections: config.maxConnections ?? 10,
    channelsPerConnection: config.channelsPerConnection ?? 8,
    whenExhausted: config.whenExhausted ?? 'queue',
    acquireTimeout: config.acquireTimeout ?? 30_000,
    maxQueue: config.maxQueue ?? 10_000,
    connectionTimeout: config.connectionTimeout ?? 30_000,
    idleTimeout: config.idleTimeout ?? 300_000,
    maxLifetime: config.maxLifetime ?? 3_600_000,
    keepAlive: config.keepAlive ?? true,
    keepAliveInterval: config.keepAliveInterval ?? 30_000,
    keepAliveCountMax: config.keepAliveCountMax ?? 3,
    minIdle: config.minIdle ?? 0,
    reconnect: reconnectSettings(config.reconnect),
    healthCheck: healthSettings(config.healthCheck),
  }
}

/** Naming the option asks for checks, unless it says `enabled: false`. */
function healthSettings(config: HostPoolConfig['healthCheck']): HealthSettings | undefined {
  if (config === undefined || config.enabled === false) return undefined
  return {
    interval: config.interval ?? 30_000,
    timeout: config.timeout ?? 5_000,
    command: config.command,
    failureThreshold: config.failureThreshold ?? 3,
  }
}

export function poolSettings(options: PoolOptions): PoolSettings {
  return {
    host: hostSettings(withOneSpelling(options)),
    maxTotalConnections: options.maxTotalConnections ?? 100,
    cleanupInterval: options.cleanupInterval ?? 60_000,
  }
}
