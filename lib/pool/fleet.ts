import { XecNativeError } from '../errors'
import type { CommandResult, FleetOutcome, FleetProgress, FleetResult, SSHTarget } from '../types'

interface Fleet<T extends string | Buffer> {
  targets: readonly SSHTarget[]
  concurrency: number
  run: (target: SSHTarget) => Promise<CommandResult<T>>
  onProgress: ((progress: FleetProgress<T>) => void) | undefined
}

/** Runs something on many targets, so many at a time. Whatever happens to one of them is that one's outcome. */
export async function runFleet<T extends string | Buffer>(fleet: Fleet<T>): Promise<FleetResult<T>> {
  const { targets, concurrency, onProgress } = fleet
  const began = performance.now()
  const outcomes: FleetOutcome<T>[] = []
  let done = 0
  // One iterator for all workers: each takes the next target when it is free.
  const queue = targets.entries()
  const work = async (): Promise<void> => {
    for (const [index, target] of queue) {
      const outcome = await outcomeOf(fleet, target, index)
      outcomes[index] = outcome
      done += 1
      report(onProgress, { done, total: targets.length, outcome })
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, targets.length) }, work))
  const count = (status: FleetOutcome['status']): number => outcomes.filter((outcome) => outcome.status === status).length
  return {
    ok: outcomes.every(({ ok }) => ok),
    completed: count('completed'), failed: count('failed'), aborted: count('aborted'),
    duration: performance.now() - began, outcomes,
  }
}

async function outcomeOf<T extends string | Buffer>(fleet: Fleet<T>, target: SSHTarget, index: number): Promise<FleetOutcome<T>> {
  try {
    const result = await fleet.run(target)
    return { target, index, status: 'completed', ok: result.ok, result }
  } catch (cause) {
    const error = asNativeError(cause)
    return { target, index, status: error.code === 'ABORT_ERR' ? 'aborted' : 'failed', ok: false, error }
  }
}

function asNativeError(cause: unknown): XecNativeError {
  if (cause instanceof XecNativeError) return cause
  return new XecNativeError({ code: 'EINTERNAL', kind: 'unknown', message: 'A fault in this package', cause })
}

/** A callback that throws must not end the fleet: its error surfaces as an uncaught exception, as a listener's does. */
function report<P>(callback: ((progress: P) => void) | undefined, progress: P): void {
  try {
    callback?.(progress)
  } catch (error) {
    process.nextTick(() => {
      throw error
    })
  }
}
