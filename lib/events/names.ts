import type { XecNativeError } from '../errors'

/** In the engine's order: an event's place here is its bit in the mask and its `kind` in a record. */
export const EVENT_NAMES = [
  'connection:created', 'connection:reused', 'connection:closed', 'connection:failed', 'connection:error', 'pool:full',
  'connection:idle', 'acquire', 'queue', 'retire', 'cleanup', 'drain',
  'connection:reconnecting', 'connection:reconnected', 'connection:healthy', 'connection:unhealthy',
] as const

/** The events that come from the engine. */
export type EngineEventName = (typeof EVENT_NAMES)[number]

export type PoolEventName = keyof PoolEvents

/** The last argument of every event. */
export interface PoolEventInfo {
  host: string
  port: number
  username: string
  /** The connection's id as in `getConnections()`, 0 when there is none. */
  connection: number
  at: Date
}

/** The listeners' arguments. Durations are milliseconds. */
export interface PoolEvents {
  'connection:created': [host: string, duration: number, info: PoolEventInfo]
  'connection:reused': [host: string, info: PoolEventInfo]
  'connection:closed': [host: string, reason: string, info: PoolEventInfo]
  /** No connection could be made. */
  'connection:failed': [host: string, error: XecNativeError, info: PoolEventInfo]
  /** A connection that had worked broke. */
  'connection:error': [host: string, error: XecNativeError, info: PoolEventInfo]
  /** A command has to wait because all allowed connections are busy. */
  'pool:full': [host: string, info: PoolEventInfo]
  /** A connection's idle time is over, because it was used again or closed; how long it was. */
  'connection:idle': [host: string, duration: number, info: PoolEventInfo]
  /** A command got its turn. */
  'acquire': [host: string, info: PoolEventInfo]
  /** A command begins to wait. */
  'queue': [host: string, info: PoolEventInfo]
  /** A connection takes no new commands. */
  'retire': [host: string, reason: string, info: PoolEventInfo]
  /** Idle or old connections were closed. */
  'cleanup': [cleaned: number, remaining: number, info: PoolEventInfo]
  /** A `drain()` is over. */
  'drain': [info: PoolEventInfo]
  /** An attempt that follows a lost connection or a failed attempt, counted from 1. */
  'connection:reconnecting': [host: string, attempt: number, info: PoolEventInfo]
  'connection:reconnected': [host: string, info: PoolEventInfo]
  /** A connection passed a health check. */
  'connection:healthy': [host: string, info: PoolEventInfo]
  /** A borrowed connection was held longer than `leakDetectionThreshold`, or forgotten without `release()`. */
  'connection:leaked': [host: string, error: XecNativeError, info: PoolEventInfo]
  /** A connection failed `failureThreshold` checks in a row and is replaced; `error` is the last one's. */
  'connection:unhealthy': [host: string, error: XecNativeError, info: PoolEventInfo]
}
