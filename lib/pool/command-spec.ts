import type { CommandSpec } from '../binding'
import type { CheckedExecOptions, CheckedSudo } from '../options'
import { sudoSpec } from './sudo'
import type { Shell } from './target-spec'

export const DEFAULT_MAX_BUFFER = 10 * 1024 * 1024

/** What a command's target says about it. */
interface Circumstances {
  shell?: Shell
  sudo?: CheckedSudo | undefined
  /** Milliseconds of its time that are over. */
  spent?: number
}

/** The command in the engine's words. `stdin` comes apart, because a stream goes another way. */
export function commandSpec(
  command: string, options: CheckedExecOptions, stdin: string | Buffer | undefined,
  { shell = 'login', sudo, spent }: Circumstances = {},
): CommandSpec {
  return {
    command,
    cwd: options.cwd,
    env: options.env,
    stdin,
    // 0 means "no limit" to callers.
    timeout: options.timeout === 0 ? undefined : options.timeout,
    spent,
    maxBuffer: options.maxBuffer ?? DEFAULT_MAX_BUFFER,
    persistent: (options.shell ?? shell) === 'persistent',
    retryLostConnection: options.retry?.lostConnection,
    collectAll: options.collectAll,
    priority: options.priority,
    pty: options.pty,
    ...sudoSpec(sudo),
  }
}
