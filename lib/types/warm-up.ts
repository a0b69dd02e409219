import type { XecNativeError } from '../errors'

export interface WarmUpOptions {
  /** Connections to have ready per target; otherwise the target's `warmUpConnections`, at least 1. */
  connections?: number
  /** Ends the warm-up, attempts under way included. */
  signal?: AbortSignal
}

/** How one target's warm-up ended. */
export interface HostWarmUp {
  host: string
  port: number
  requested: number
  /** Connections that are open now. */
  ready: number
  /** Why there are not more. Absent when the limits allow no more. */
  error?: XecNativeError
  /** Milliseconds */
  duration: number
}

export interface WarmUpReport {
  /** Everything requested is ready. */
  ok: boolean
  requested: number
  ready: number
  /** Milliseconds */
  duration: number
  /** In the order of the targets. */
  hosts: HostWarmUp[]
}
