import type { XecNativeError } from '../errors'
import type { CommandResult, ExecOptions } from './exec'
import type { SSHTarget } from './target'

/** What became of one target's command. */
export interface FleetOutcome<T extends string | Buffer = string> {
  target: SSHTarget
  /** Its place among the targets. */
  index: number
  /** 'completed': it ran to its end, whatever its exit code. 'aborted': the signal fired first. */
  status: 'completed' | 'failed' | 'aborted'
  /** Completed, with exit code 0. */
  ok: boolean
  /** Only of a completed one. */
  result?: CommandResult<T>
  /** Only of one that failed or was aborted. */
  error?: XecNativeError
}

export interface FleetProgress<T extends string | Buffer = string> {
  done: number
  total: number
  outcome: FleetOutcome<T>
}

export interface FleetOptions<T extends string | Buffer = string> extends ExecOptions {
  /** 32 targets at a time */
  concurrency?: number
  /** Called once for each target, when its outcome is known. */
  onProgress?: (progress: FleetProgress<T>) => void
}

export interface FleetResult<T extends string | Buffer = string> {
  /** Every target completed with exit code 0. */
  ok: boolean
  completed: number
  failed: number
  aborted: number
  /** Milliseconds */
  duration: number
  /** In the order of the targets. */
  outcomes: FleetOutcome<T>[]
}
