import { XecNativeError } from '../errors'
import type { CommandResult, SSHTarget } from '../types'
import { AllHostsFailedError } from './all-hosts-failed'
import type { CommandRunner, TextOptions } from './runner'

export interface FailoverOptions {
  /**
   * Which failures are tried on the next host: 'not-reached', when the command provably never ran on this one; or
   * 'any-failure', for commands that may run twice; or a function of the error.
   */
  failOver?: 'not-reached' | 'any-failure' | ((error: unknown) => boolean)
  /** Told before the next host is tried. */
  onFailover?: (from: SSHTarget, error: unknown) => void
}

/** Runs commands on a primary host, and on its backups, in their order, when it cannot be reached. */
export class Failover {
  readonly #pool: CommandRunner
  readonly #targets: readonly SSHTarget[]
  readonly #options: FailoverOptions

  constructor(pool: CommandRunner, primary: SSHTarget, backups: readonly SSHTarget[], options: FailoverOptions = {}) {
    this.#pool = pool
    this.#targets = [primary, ...backups]
    this.#options = options
  }

  /** A status other than 0 is the command's own answer, not a failure of the host. `timeout` is for each host anew. */
  exec(command: string, options?: TextOptions): Promise<CommandResult> {
    return this.run((target) => this.#pool.exec(target, command, options))
  }

  /** Tries `use` on one host after the other. An error that must not be tried elsewhere is thrown as it is. */
  async run<T>(use: (target: SSHTarget) => Promise<T>): Promise<T> {
    const errors: unknown[] = []
    for (const target of this.#targets) {
      try {
        return await use(target)
      } catch (error) {
        if (!this.#mayFailOver(error)) throw error
        errors.push(error)
        if (errors.length < this.#targets.length) this.#options.onFailover?.(target, error)
      }
    }
    throw new AllHostsFailedError(errors)
  }

  #mayFailOver(error: unknown): boolean {
    const { failOver = 'not-reached' } = this.#options
    if (typeof failOver === 'function') return failOver(error)
    if (isCallersOwn(error)) return false
    return failOver === 'any-failure' || (error instanceof XecNativeError && error.reached === false)
  }
}

/** What would be the same on every host: a wrong call, a closed pool, the caller's abort, the command's own status. */
function isCallersOwn(error: unknown): boolean {
  if (!(error instanceof XecNativeError)) return false
  return ['invalid-usage', 'command-failed'].includes(error.kind) || ['EPOOLCLOSED', 'ABORT_ERR'].includes(error.code)
}
