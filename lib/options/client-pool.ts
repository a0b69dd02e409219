import { boolean, integer, positiveDuration } from './checks'
import { hostConfigFields } from './host-config'
import { shape } from './schema'

const { enabled, maxConnections, channelsPerConnection, whenExhausted, acquireTimeout, maxQueue, idleTimeout, maxLifetime,
  reconnect, autoReconnect, maxReconnectAttempts, reconnectDelay, maxRetries, shell } = hostConfigFields

/** What there is to say of a pool whose connections are a daemon's or an API server's: all go to one place. */
export const clientPoolFields = {
  enabled, maxConnections, channelsPerConnection, whenExhausted, acquireTimeout, maxQueue, idleTimeout, maxLifetime,
  reconnect, autoReconnect, maxReconnectAttempts, reconnectDelay, maxRetries, shell,
  healthCheck: shape({ enabled: boolean, interval: positiveDuration, timeout: positiveDuration, failureThreshold: integer(1, 1_000) }),
  maxTotalConnections: integer(1, 1_000_000),
  cleanupInterval: positiveDuration,
}
