import type { ReconnectSettings } from '../binding'
import type { HostPoolConfig, ReconnectConfig } from '../types'

/**
 * Nobody said anything: a connection that was lost is made again, but a server that was never reached is reported at once,
 * because the address may simply be wrong. Who names the option asks for patience with both.
 */
export function reconnectSettings(config: ReconnectConfig | undefined): ReconnectSettings {
  const { enabled = true, maxRetries = 3, initialDelay = 1_000, backoff = 'exponential' } = config ?? {}
  return {
    maxRetries: enabled ? maxRetries : 0,
    initialDelay,
    maxDelay: config?.maxDelay ?? Math.max(initialDelay, 30_000),
    backoff,
    first: config !== undefined,
  }
}

/**
 * The documents know two spellings of the same option. This leaves one: where both say something, `reconnect` wins over the
 * single options, and `maxReconnectAttempts` over `maxRetries`, which may be meant more generally.
 */
export function withOneSpelling(config: HostPoolConfig): HostPoolConfig {
  const { autoReconnect, maxReconnectAttempts, reconnectDelay, maxRetries, ...rest } = config
  const single: ReconnectConfig = {
    ...(autoReconnect === undefined ? {} : { enabled: autoReconnect }),
    ...(maxRetries === undefined ? {} : { maxRetries }),
    ...(maxReconnectAttempts === undefined ? {} : { maxRetries: maxReconnectAttempts }),
    ...(reconnectDelay === undefined ? {} : { initialDelay: reconnectDelay }),
  }
  const isSilent = rest.reconnect === undefined && Object.keys(single).length === 0
  return isSilent ? rest : { ...rest, reconnect: { ...single, ...rest.reconnect } }
}
