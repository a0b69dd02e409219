import type { NativePool, TargetSpec } from '../binding'
import { errorFromFailure } from '../errors'
import { checkSessionOptions } from '../options'
import { linkAbort } from '../pool/abort'
import { commandSpec } from '../pool/command-spec'
import type { SessionOptions } from '../types'
import { type SessionHost, ShellSession } from './session'

/** Opens a shell at a target. Rejects when it cannot be had. */
export async function openSession(
  pool: NativePool, spec: TargetSpec, options: SessionOptions | undefined, host: SessionHost,
): Promise<ShellSession> {
  const { signal, ...checked } = checkSessionOptions(options)
  const link = linkAbort(signal)
  try {
    const { session, failure } = await host.perform(() => pool.session(spec, commandSpec(':', checked, undefined), link.token))
    if (failure !== undefined) throw errorFromFailure(failure, { reason: signal?.reason })
    if (session === undefined) throw new TypeError('the engine answered with neither session nor failure')
    return new ShellSession(session, host)
  } finally {
    link.unlink()
  }
}
