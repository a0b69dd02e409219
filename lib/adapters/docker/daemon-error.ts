import { AbortError, type FailureKind, MaxBufferError, TimeoutExceededError, XecNativeError } from '../../errors'

/** What a daemon says in the middle of a stream, after it had answered that all is well. */
export function streamedError(message: string, host: string, otherwise: { code: string; kind: FailureKind }): XecNativeError {
  const { code, kind } = meaning(message) ?? otherwise
  return new XecNativeError({ code, kind, phase: 'run', host, reached: true, message })
}

function meaning(message: string): { code: string; kind: FailureKind } | undefined {
  if (/unauthorized|authentication required|access to the resource is denied|no basic auth credentials/i.test(message)) {
    return { code: 'EUNAUTHORIZED', kind: 'authentication' }
  }
  if (/manifest unknown|not found: manifest|repository .* not found|no such image/i.test(message)) return { code: 'ENOIMAGE', kind: 'not-found' }
  if (/connection refused|no such host|i\/o timeout|no route to host/i.test(message)) return { code: 'ECONNREFUSED', kind: 'connection-refused' }
  return undefined
}

export const hasCode = (error: unknown, ...codes: string[]): boolean => error instanceof XecNativeError && codes.includes(error.code)

export function tooLong(what: string, limit: number, host: string, reached: boolean): TimeoutExceededError {
  return new TimeoutExceededError({
    code: 'ETIMEDOUT', kind: 'timeout', phase: 'run', host, limit, reached, message: `${what} timed out after ${limit} ms`,
  })
}

export function aborted(reason: unknown, host: string): AbortError {
  return new AbortError({ code: 'ABORT_ERR', kind: 'unknown', phase: 'run', host, message: 'The operation was aborted', cause: reason })
}

export function tooMuch(stream: 'stdout' | 'stderr', limit: number, host: string): MaxBufferError {
  return new MaxBufferError({
    code: 'EMAXBUFFER', kind: 'unknown', phase: 'run', host, reached: true, stream, limit,
    message: `${stream} exceeded maxBuffer (${limit} bytes)`,
  })
}
