export interface HealthCheckConfig {
  enabled?: boolean
  interval?: number
  timeout?: number
  command?: string
  failureThreshold?: number
}

export interface ReconnectConfig {
  enabled?: boolean
  maxRetries?: number
  initialDelay?: number
  maxDelay?: number
  backoff?: 'exponential' | 'linear' | 'fixed'
}

/** How many connections, for how long. Durations are milliseconds; 0 means "never" or "none" where noted. */
export interface HostPoolConfig {
  /** true; false opens one connection per command and closes it afterwards. */
  enabled?: boolean
  /** 10 per host and credentials */
  maxConnections?: number
  /** 8; lowered when the server refuses a channel */
  channelsPerConnection?: number
  /** 'queue'; 'fail' rejects at once with EPOOLEXHAUSTED */
  whenExhausted?: 'queue' | 'fail'
  /** 30_000: how long a command may wait for a connection; 0 = no limit */
  acquireTimeout?: number
  /** 10_000 waiting commands per host */
  maxQueue?: number
  /** 30_000: from the first packet to the accepted login */
  connectionTimeout?: number
  /** 300_000; 0 = never closed for being idle */
  idleTimeout?: number
  /** 3_600_000; 0 = no limit */
  maxLifetime?: number
  /** true: ask an idle connection for a sign of life */
  keepAlive?: boolean
  /** 30_000 */
  keepAliveInterval?: number
  /** 3 unanswered questions end the connection */
  keepAliveCountMax?: number

  /** Checked, no effect yet. */
  minIdle?: number
  /** Checked, no effect yet. */
  warmUpConnections?: number
  /** Checked, no effect yet: a dead connection is noticed by keepAlive. */
  healthCheck?: HealthCheckConfig
  /** Checked, no effect yet: the next command opens a new connection by itself. */
  reconnect?: ReconnectConfig
  /** The other spelling of `reconnect.enabled`. */
  autoReconnect?: boolean
  /** The other spelling of `reconnect.maxRetries`. */
  maxReconnectAttempts?: number
  /** The other spelling of `reconnect.initialDelay`. */
  reconnectDelay?: number
  /** The other spelling of `reconnect.maxRetries`. */
  maxRetries?: number
  /** Checked, no effect yet. */
  leakDetectionThreshold?: number
}

export interface PoolOptions extends HostPoolConfig {
  /** 100 over all hosts */
  maxTotalConnections?: number
  /** 60_000: how often idle and old connections are looked for */
  cleanupInterval?: number
  /** Settings by host pattern (`*` and `?`), as with `configureHost`. */
  hosts?: Record<string, HostPoolConfig>
}

export interface PoolStats {
  totalConnections: number
  /** Connections that run at least one command. */
  activeConnections: number
  /** Connections ready and free. */
  idleConnections: number
  connectingConnections: number
  /** Commands that wait for a connection. */
  queued: number
  /** Commands that run now. */
  activeChannels: number
  /** Commands that found an open connection. */
  poolHits: number
  /** Commands for which a connection had to be opened. */
  poolMisses: number
  connectionsCreated: number
  connectionsReused: number
  connectionsFailed: number
  connectionsClosed: number
  /** Of those, the ones that broke. */
  connectionsLost: number
  acquireTimeouts: number
  /** Channels the server refused; each was tried again without the caller noticing. */
  channelRefusals: number
  /** Commands that ran to their end, whatever their exit code. */
  commandsRun: number
  /** Events thrown away because nobody fetched them in time. */
  eventsDropped: number
  /** Mean milliseconds from dialing to the accepted login. */
  averageConnectionTime: number
  /** Mean milliseconds a connection was free before it was used again. */
  averageIdleTime: number
  /** Share of commands that found an open connection, 0 to 1. */
  poolEfficiency: number
  lastCleanup: Date | null
}

export interface ConnectionInfo {
  id: number
  /** user@host:port#fingerprint; the fingerprint tells credentials apart without naming them. */
  key: string
  host: string
  port: number
  username: string
  /** 'retiring' runs its last commands and takes no new ones. */
  state: 'idle' | 'active' | 'retiring' | 'closing'
  created: Date
  lastUsed: Date
  /** Milliseconds since it was opened. */
  age: number
  /** Milliseconds since its last command ended. */
  idle: number
  useCount: number
  channels: number
  channelLimit: number
  errors: number
}
