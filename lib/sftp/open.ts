import type { NativePool, SudoSpec, TargetSpec } from '../binding'
import { errorFromFailure } from '../errors'
import { linkAbort } from '../pool/abort'
import type { SFTPOptions } from '../types'
import { SFTP } from './sftp'

/** A session for a target and options that are checked already. */
export async function openSFTP(
  native: NativePool, { spec, sudo }: { spec: TargetSpec, sudo?: SudoSpec }, options: SFTPOptions,
): Promise<SFTP> {
  const { priority = 0, signal, timeout = 60_000 } = options
  const link = linkAbort(signal, 'The SFTP session was aborted before it was opened')
  try {
    const { session, failure } = await native.sftp(spec, priority, timeout, sudo, link.token)
    if (failure !== undefined) throw errorFromFailure(failure, { reason: signal?.reason })
    if (session === undefined) throw new TypeError('the engine answered with neither session nor failure')
    return new SFTP(session)
  } finally {
    link.unlink()
  }
}
