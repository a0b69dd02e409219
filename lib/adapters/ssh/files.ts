import { XecNativeError } from '../../errors'
import type { SSHConnectionPool } from '../../pool'
import type { SFTP } from '../../sftp'
import type { DirectoryTransferResult, SSHTarget } from '../../types'
import { type ResolvedAdapterConfig, withDefaults } from './config'
import { contractError } from './failures'
import type { Shapes } from './shapes'

/** A transfer that the adapter was asked for. */
export interface FileJob {
  operation: 'uploadFile' | 'downloadFile' | 'uploadDirectory'
  /** Of the remote file, for errors. */
  path: string
  work: (sftp: SFTP) => Promise<unknown>
}

/** Does it over a session of its own; its errors are those of @xec-sh/core's contract. */
export async function transferFiles(
  pool: SSHConnectionPool, options: SSHTarget | undefined, config: ResolvedAdapterConfig, shapes: Shapes, job: FileJob,
): Promise<void> {
  const { operation, path, work } = job
  if (config.sftp?.enabled === false) throw shapes.adapterError(operation, new Error('SFTP is disabled'), 'invalid-usage')
  if (options === undefined) {
    throw shapes.adapterError(operation, new Error('SSH connection options not provided'), 'invalid-usage')
  }
  const { host } = options
  try {
    await using sftp = await pool.sftp({ ...withDefaults(options, config), sudo: undefined })
    await work(sftp)
  } catch (error) {
    throw contractError(error, { operation, command: `${operation} ${path}`, host, timeout: Infinity }, shapes)
  }
}

/** Core's own adapter keeps quiet about files that it could not copy. */
export function requireComplete({ files, failed }: DirectoryTransferResult): void {
  const [first] = failed
  if (first === undefined) return
  const { error } = first
  throw new XecNativeError({
    code: 'EINCOMPLETE', kind: error instanceof XecNativeError ? error.kind : 'unknown', phase: 'transfer', cause: error,
    message: `${failed.length} of ${files + failed.length} files could not be copied: ${reasons(failed)}`,
  })
}

function reasons(failed: DirectoryTransferResult['failed']): string {
  const shown = failed.slice(0, 5).map(({ path, error }) => `${path} (${error.message})`)
  return failed.length > shown.length ? `${shown.join(', ')}, …` : shown.join(', ')
}
