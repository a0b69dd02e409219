import type { Readable } from 'node:stream'
import { CancelToken, type ExecOutcome, NativeInput } from '../binding'
import { Feed, stdinError } from '../process/feed'

/** stdin in the engine's words. */
export interface Given {
  /** All of it, or what comes of it. */
  stdin?: string | Buffer | undefined
  input?: NativeInput | undefined
  token: CancelToken | undefined
}

/**
 * Runs a command with its stdin. `token` ends it; a stream without one brings its own, because the command ends when the
 * stream fails. What failed then is the stream.
 */
export async function feeding(
  stdin: string | Buffer | Readable | undefined, token: CancelToken | undefined, run: (given: Given) => Promise<ExecOutcome>,
): Promise<ExecOutcome> {
  if (stdin === undefined || typeof stdin === 'string' || Buffer.isBuffer(stdin)) return run({ stdin, token })
  if (stdin.errored != null) throw stdinError(stdin.errored, false)
  const input = new NativeInput()
  const end = token ?? new CancelToken()
  const feed = new Feed(stdin, { write: (data) => input.write([data]), end: () => { input.end() } }, () => { end.cancel() })
  try {
    const outcome = await run({ input, token: end })
    const error = outcome.failure === undefined ? undefined : feed.error(outcome.failure.reached)
    if (error !== undefined) throw error
    return outcome
  } finally {
    void feed.stop()
  }
}
