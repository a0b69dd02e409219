// draft of what `napi build` will generate into binding.d.cts (deleted once that exists)
export declare class NativePool {
  constructor(settings: PoolSettings)
  exec(target: TargetSpec, command: CommandSpec, cancel?: CancelToken | undefined | null): Promise<ExecOutcome>
  stats(): StatsSnapshot
  connections(): Array<ConnectionSnapshot>
  closeIdle(): Promise<number>
  closeAll(): Promise<void>           // usable again afterwards
  dispose(): Promise<void>            // afterwards exec answers failure EPOOLCLOSED
  watchEvents(wake: () => void): void // weak: never keeps the process alive. Called at most once per burst, then drainEvents()
  setEventMask(mask: number): void    // bit per event kind, order of EVENT_NAMES below; 0 at start
  drainEvents(): Array<EventRecord>   // oldest first, empties the buffer
}
export declare class CancelToken { constructor(); cancel(): void }
export declare function version(): string

export interface HostSettings {       // all milliseconds / counts, already validated and defaulted by the facade
  enabled: boolean; maxConnections: number; channelsPerConnection: number; whenExhausted: string /* 'queue' | 'fail' */
  acquireTimeout: number /* 0 = none */; maxQueue: number; connectionTimeout: number
  idleTimeout: number /* 0 = never */; maxLifetime: number /* 0 = never */
  keepAlive: boolean; keepAliveInterval: number; keepAliveCountMax: number
}
export interface PoolSettings { host: HostSettings; maxTotalConnections: number; cleanupInterval: number }
export interface TargetSpec {
  host: string; port: number; username: string; password?: string
  privateKey?: string | Buffer /* text, bytes, or path with ~ */; passphrase?: string
  hostKeyChecking: string /* 'accept-new' | 'strict' | 'off' */; knownHostsPath?: string
  settings?: HostSettings             // only when it differs from the pool's (poolConfig / configureHost)
}
export interface CommandSpec {
  command: string; cwd?: string; env?: Record<string, string>; stdin?: string | Buffer
  timeout?: number; maxBuffer: number; retryLostConnection?: boolean; collectAll?: boolean; priority?: number
}
export interface ExecOutcome { output?: OutputRecord; failure?: FailureRecord } // exactly one
export interface OutputRecord {
  stdout: Buffer; stderr: Buffer; stdall?: Buffer /* with collectAll: both in arrival order */
  exitCode: number; signal?: string /* 'SIGKILL' … */; queued: number; connect: number; run: number; duration: number /* ms, fractional */
}
export interface FailureRecord {
  code: string; kind: string; phase: string; reached?: boolean /* absent = unknown */
  message: string; causes: Array<string> /* outermost first */; host: string; port: number
  stdout?: Buffer; stderr?: Buffer; stdall?: Buffer /* what had arrived: EMAXBUFFER, ETIMEDOUT, ABORT_ERR, ECONNLOST */
  stream?: string /* EMAXBUFFER: 'stdout' | 'stderr' */; limit?: number /* EMAXBUFFER: bytes; ETIMEDOUT: ms */
}
// EVENT_NAMES (bit order): 0 connection:created 1 connection:reused 2 connection:closed 3 connection:failed
//   4 connection:error 5 pool:full 6 connection:idle 7 acquire 8 queue 9 retire 10 cleanup 11 drain
export interface EventRecord {
  kind: number /* index into EVENT_NAMES */; at: number /* ms since epoch */
  host: string; port: number; username: string; connection: number /* id, 0 when none */
  duration?: number; reason?: string; failure?: FailureRecord
  count?: number; remaining?: number /* cleanup */
}
export interface StatsSnapshot {
  totalConnections: number; activeConnections: number; idleConnections: number; connectingConnections: number
  queued: number; activeChannels: number; poolHits: number; poolMisses: number
  connectionsCreated: number; connectionsReused: number; connectionsFailed: number; connectionsClosed: number
  acquireTimeouts: number; channelRefusals: number; commandsRun: number; eventsDropped: number
  connectTimeTotal: number /* ms */; idleTimeTotal: number /* ms */; lastCleanup?: number /* ms epoch */
}
export interface ConnectionSnapshot {
  id: number; key: string /* user@host:port#fingerprint */; host: string; port: number; username: string
  state: string /* 'idle' | 'active' | 'retiring' */; created: number; lastUsed: number /* ms epoch */
  age: number; idle: number; useCount: number; channels: number; channelLimit: number; errors: number
}
