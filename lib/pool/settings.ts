import type { HostSettings, PoolSettings } from '../binding'
import type { HostPoolConfig, PoolOptions } from '../types'

export const DEFAULT_HOST_SETTINGS: Readonly<HostSettings> = Object.freeze({
  enabled: true,
  maxConnections: 10,
  channelsPerConnection: 8,
  whenExhausted: 'queue',
  acquireTimeout: 30_000,
  maxQueue: 10_000,
  connectionTimeout: 30_000,
  idleTimeout: 300_000,
  maxLifetime: 3_600_000,
  keepAlive: true,
  keepAliveInterval: 30_000,
  keepAliveCountMax: 3,
})

/** `config` laid over `base`. Options the engine has no use for yet are left behind here. */
export function hostSettings(base: HostSettings, config: HostPoolConfig): HostSettings {
  return {
    enabled: config.enabled ?? base.enabled,
    maxConnections: config.maxConnections ?? base.maxConnections,
    channelsPerConnection: config.channelsPerConnection ?? base.channelsPerConnection,
    whenExhausted: config.whenExhausted ?? base.whenExhausted,
    acquireTimeout: config.acquireTimeout ?? base.acquireTimeout,
    maxQueue: config.maxQueue ?? base.maxQueue,
    connectionTimeout: config.connectionTimeout ?? base.connectionTimeout,
    idleTimeout: config.idleTimeout ?? base.idleTimeout,
    maxLifetime: config.maxLifetime ?? base.maxLifetime,
    keepAlive: config.keepAlive ?? base.keepAlive,
    keepAliveInterval: config.keepAliveInterval ?? base.keepAliveInterval,
    keepAliveCountMax: config.keepAliveCountMax ?? base.keepAliveCountMax,
  }
}

export function poolSettings(options: PoolOptions): PoolSettings {
  return {
    host: hostSettings(DEFAULT_HOST_SETTINGS, options),
    maxTotalConnections: options.maxTotalConnections ?? 100,
    cleanupInterval: options.cleanupInterval ?? 60_000,
  }
}
