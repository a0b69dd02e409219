import type { CancelToken, ForwardOutcome, ForwardSettings } from '../binding'
import { errorFromFailure } from '../errors'
import type { CheckedForward } from '../options'
import { linkAbort } from '../pool/abort'
import { Forward } from './forward'

/** Opens a forward by way of `start`. */
export async function openForward(
  { settings, signal }: CheckedForward,
  start: (settings: ForwardSettings, token: CancelToken | undefined) => Promise<ForwardOutcome>,
): Promise<Forward> {
  const link = linkAbort(signal, 'The forward was aborted before it was asked for')
  try {
    const { forward, failure } = await start(settings, link.token)
    if (failure !== undefined) throw errorFromFailure(failure, { reason: signal?.reason })
    if (forward === undefined) throw new TypeError('the engine answered with neither forward nor failure')
    return new Forward(forward, settings)
  } finally {
    link.unlink()
  }
}
