import type { NativePool, TargetSpec } from '../binding'
import { errorFromFailure } from '../errors'
import type { CheckedSudo } from '../options'
import { linkAbort } from '../pool/abort'
import { commandSpec } from '../pool/command-spec'
import type { SessionOptions } from '../types'
import { type SessionHost, ShellSession } from './session'

/** Opens a shell at a target; both are checked already. Rejects when it cannot be had. */
export async function openSession(
  pool: NativePool, { spec, sudo }: { spec: TargetSpec, sudo: CheckedSudo | undefined }, options: SessionOptions & { spent: number }, host: SessionHost,
): Promise<ShellSession> {
  const { signal, spent, ...rest } = options
  const link = linkAbort(signal, 'The session was aborted before it was opened')
  try {
    const { session, failure } = await host.perform(() => pool.session(spec, commandSpec(':', rest, undefined, { sudo, spent }), link.token))
    if (failure !== undefined) throw errorFromFailure(failure, { reason: signal?.reason })
    if (session === undefined) throw new TypeError('the engine answered with neither session nor failure')
    return new ShellSession(session, host)
  } finally {
    link.unlink()
  }
}
