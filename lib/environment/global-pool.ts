import { SSHConnectionPool } from '../pool'
import type { CommandResult, ExecOptions } from '../types'
import { type HostLike, targetOf } from './host'
import { poolOptionsFrom } from './variables'

let globalPool: EnvironmentPool | undefined

/** Forgets itself when it is closed for good, so that the next use makes a new one. */
class EnvironmentPool extends SSHConnectionPool {
  override async dispose(): Promise<void> {
    if (globalPool === this) globalPool = undefined
    await super.dispose()
  }
}

/**
 * The pool that the SSH_POOL_* variables describe. They are read on first use, not on import, so a program may set them
 * itself; a variable with an impossible value throws.
 */
export function getGlobalPool(): SSHConnectionPool {
  globalPool ??= new EnvironmentPool(poolOptionsFrom(process.env))
  return globalPool
}

/** The same, but without making one. */
export function existingGlobalPool(): SSHConnectionPool | undefined {
  return globalPool
}

/** Runs a command over the global pool: `host` is a target, a host with a `name`, or 'user@host:port'. */
export function executeSSHCommand(
  host: HostLike, command: string, options: ExecOptions & { encoding: 'buffer' },
): Promise<CommandResult<Buffer>>
export function executeSSHCommand(
  host: HostLike, command: string, options?: ExecOptions & { encoding?: BufferEncoding },
): Promise<CommandResult>
export async function executeSSHCommand(
  host: HostLike, command: string, options?: ExecOptions,
): Promise<CommandResult<string | Buffer>> {
  return getGlobalPool().exec(targetOf(host), command, options)
}
