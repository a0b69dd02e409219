/** Naming it asks for checks of idle connections, unless it says `enabled: false`. */
export interface HealthCheckConfig {
  /** true; without `healthCheck` there are no checks, and `keepAlive` finds dead peers */
  enabled?: boolean
  /** 30_000 */
  interval?: number
  /** 5_000 for one check */
  timeout?: number
  /** Must exit with 0. Absent: a message of the protocol, which runs nothing. */
  command?: string
  /** 3 failures in a row: the connection is replaced */
  failureThreshold?: number
}

/** Attempts to connect after one that failed. Refused logins and untrusted host keys are never tried again. */
export interface ReconnectConfig {
  /** true; false: one attempt per call */
  enabled?: boolean
  /** 3 attempts after the first */
  maxRetries?: number
  /** 1_000; each pause is a random share of the time the backoff allows */
  initialDelay?: number
  /** 30_000 */
  maxDelay?: number
  /** 'exponential' */
  backoff?: 'exponential' | 'linear' | 'fixed'
}

/** How many connections, for how long. Durations are milliseconds; 0 means "never" or "none" where noted. */
export interface HostPoolConfig {
  /** true; false opens one connection per command and closes it afterwards. */
  enabled?: boolean
  /** 10 per host and port, over all logins */
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
  /** 0: free connections kept ready once a login has succeeded */
  minIdle?: number
  /** 0: connections made in the background when a target is used for the first time */
  warmUpConnections?: number
  healthCheck?: HealthCheckConfig
  /** A lost connection is made again with these defaults; who names the option has the first connection retried as well. */
  reconnect?: ReconnectConfig
  /** The other spelling of `reconnect.enabled`. */
  autoReconnect?: boolean
  /** The other spelling of `reconnect.maxRetries`. */
  maxReconnectAttempts?: number
  /** The other spelling of `reconnect.initialDelay`. */
  reconnectDelay?: number
  /** The other spelling of `reconnect.maxRetries`. */
  maxRetries?: number
  /** 0: milliseconds after which a borrowed connection is reported as leaked (`connection:leaked`); 0 = never */
  leakDetectionThreshold?: number
  /** 'login'; 'persistent' runs commands in warm shells where that can be, see `ExecOptions.shell` */
  shell?: 'login' | 'persistent'
}

export interface PoolOptions extends HostPoolConfig {
  /** 100 over all hosts */
  maxTotalConnections?: number
  /** 60_000: how often idle and old connections are looked for */
  cleanupInterval?: number
  /** Settings by host pattern (`*` and `?`), as with `configureHost`. */
  hosts?: Record<string, HostPoolConfig>
}

/** What the pool allows where no pattern and no target says otherwise. */
export interface PoolLimits {
  maxConnections: number
  maxTotalConnections: number
  channelsPerConnection: number
  maxQueue: number
  acquireTimeout: number
  connectionTimeout: number
  idleTimeout: number
  maxLifetime: number
}

export interface PoolStats {
  totalConnections: number
  /** Connections that can be used: the active and the idle ones. */
  aliveConnections: number
  /** Another name of `activeConnections`. */
  inUseConnections: number
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
  /** Targets that were served again after their connection was lost, or could not be made at first. */
  reconnections: number
  healthChecksPassed: number
  healthCheckFailures: number
  /** Commands whose wait for a connection ran out. */
  acquireTimeouts: number
  /** Channels the server refused; each was tried again without the caller noticing. */
  channelRefusals: number
  /** Turns given to commands; one whose channel was refused takes another one. */
  permitsGranted: number
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
  limits: PoolLimits
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
