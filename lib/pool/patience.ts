import { AbortError, TimeoutExceededError } from '../errors'
import { onAbort } from '../on-abort'

/** How long a call may take, counted from when, and what ends it earlier. */
export interface Patience {
  readonly began: number
  /** Milliseconds; 0 and undefined = no limit. */
  readonly timeout: number | undefined
  readonly signal: AbortSignal | undefined
}

export function patience({ timeout, signal }: { timeout?: number; signal?: AbortSignal }): Patience {
  return { began: performance.now(), timeout, signal }
}

/** Milliseconds of it that are over. */
export function spent({ began }: Patience): number {
  return performance.now() - began
}

/** Waits for a command's output to be delivered, no longer than the caller would. */
export async function patiently(work: Promise<unknown>, within: Patience): Promise<void> {
  const { timeout = 0, signal } = within
  let timer: NodeJS.Timeout | undefined
  let unlink = (): void => undefined
  const given = new Promise<never>((_resolve, reject) => {
    if (timeout > 0) timer = setTimeout(() => { reject(tooLate(timeout)) }, timeout - spent(within))
    if (signal?.aborted === true) reject(cutShort(signal))
    else if (signal !== undefined) unlink = onAbort(signal, () => { reject(cutShort(signal)) })
  })
  try {
    await Promise.race([work, given])
  } finally {
    clearTimeout(timer)
    unlink()
  }
}

function cutShort({ reason }: AbortSignal): AbortError {
  const message = 'The call was aborted after its command had ended, while its output was being taken'
  return new AbortError({ code: 'ABORT_ERR', kind: 'unknown', phase: 'run', reached: true, cause: reason, message })
}

function tooLate(limit: number): TimeoutExceededError {
  return new TimeoutExceededError({
    code: 'ETIMEDOUT', kind: 'timeout', phase: 'run', reached: true, limit,
    message: `The command has ended, but its output was not taken within ${limit} ms`,
  })
}
