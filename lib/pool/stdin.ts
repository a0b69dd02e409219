import type { Readable } from 'node:stream'
import { TimeoutExceededError, XecNativeError } from '../errors'
import { onAbort } from '../on-abort'
import { chunkOf, stdinError } from '../process/feed'
import { abortError } from './abort'
import { type Patience, spent } from './patience'

type Input = string | Buffer | undefined

/**
 * The whole of a stream, for more than one command; what is there already is given at once. Within the caller's patience:
 * a stream may have no end.
 */
export function readStdin(stdin: Input | Readable, patience: Patience): Input | Promise<Input> {
  if (stdin === undefined || typeof stdin === 'string' || Buffer.isBuffer(stdin)) return stdin
  return readStream(stdin, patience)
}

async function readStream(stdin: Readable, patience: Patience): Promise<Buffer> {
  const { signal, timeout } = patience
  const giveUp = (reason: XecNativeError): void => { stdin.destroy(reason) }
  const abort = (): void => { if (signal !== undefined) giveUp(abortError(signal)) }
  const timer = timeout === undefined || timeout === 0
    ? undefined
    : setTimeout(() => { giveUp(tooLate(timeout)) }, timeout - spent(patience))
  if (signal?.aborted === true) abort()
  const unlink = signal === undefined ? undefined : onAbort(signal, abort)
  try {
    const chunks: Buffer[] = []
    for await (const chunk of stdin) chunks.push(chunkOf(chunk))
    return Buffer.concat(chunks)
  } catch (cause) {
    throw cause instanceof XecNativeError ? cause : stdinError(cause, false)
  } finally {
    clearTimeout(timer)
    unlink?.()
  }
}

function tooLate(limit: number): TimeoutExceededError {
  return new TimeoutExceededError({
    code: 'ETIMEDOUT', kind: 'timeout', phase: 'queue', reached: false, limit,
    message: `Reading the stdin stream timed out after ${limit} ms, so the command was not started`,
  })
}
