import { CancelToken } from '../binding'
import { AbortError } from '../errors'
import { onAbort } from '../on-abort'

export function abortError(signal: AbortSignal, message = 'The command was aborted before it was sent'): AbortError {
  return new AbortError({ code: 'ABORT_ERR', kind: 'unknown', reached: false, cause: signal.reason, message })
}

/** Ties an AbortSignal to one native call. */
export interface AbortLink {
  token: CancelToken | undefined
  /** Takes the listener off the signal again; signals often live longer than commands. */
  unlink(): void
}

const UNLINKED: AbortLink = { token: undefined, unlink: () => undefined }

/** Throws when the signal has fired already: then nothing must happen at all. */
export function linkAbort(signal: AbortSignal | undefined, message?: string): AbortLink {
  if (signal === undefined) return UNLINKED
  if (signal.aborted) throw abortError(signal, message)
  const token = new CancelToken()
  return { token, unlink: onAbort(signal, () => { token.cancel() }) }
}
