import { NativePool, type ExecOutcome } from '../binding'
import { CommandFailedError, errorFromFailure } from '../errors'
import { type EventSource, PoolEventHub } from '../events'
import { maskSecrets } from '../masking'
import {
  type CheckedExecOptions, type CheckedTarget, checkCommand, checkExecOptions, checkTarget, hostConfig, poolOptions,
} from '../options'
import type { CommandResult, ConnectionInfo, ExecOptions, HostPoolConfig, PoolOptions, PoolStats, SSHTarget } from '../types'
import { linkAbort } from './abort'
import { commandSpec } from './command-spec'
import { HostRules } from './host-rules'
import { commandResult, decoder } from './result'
import { poolSettings } from './settings'
import { connectionInfo, poolStats } from './stats'
import { readStdin } from './stdin'
import { targetSpec } from './target-spec'

let shared: SSHConnectionPool | undefined

/**
 * Keeps SSH connections open and runs commands over them.
 *
 * An idle pool keeps no process alive. Closing it is only needed to close the connections at a certain moment.
 */
export class SSHConnectionPool extends PoolEventHub implements AsyncDisposable {
  readonly #native: NativePool
  readonly #rules: HostRules
  #commandsRun = 0

  /** The pool that the whole program shares, made on first use with the default options. */
  static getInstance(): SSHConnectionPool {
    shared ??= new SSHConnectionPool()
    return shared
  }

  constructor(options: PoolOptions = {}) {
    super()
    const { hosts = {}, ...checked } = poolOptions(options, '')
    this.#rules = new HostRules(checked)
    for (const [pattern, config] of Object.entries(hosts)) this.#rules.add(pattern, config)
    this.#native = new NativePool(poolSettings(checked))
  }

  /** Settings for hosts whose name matches; a string may hold `*` and `?`. Later calls win over earlier ones. */
  configureHost(pattern: string | RegExp, config: HostPoolConfig): this {
    this.#rules.add(pattern, hostConfig(config, ''))
    return this
  }

  /**
   * Runs a command and resolves with how it ended, whatever its exit code. Rejects with an XecNativeError when it could
   * not be run to its end, and when an option is wrong.
   */
  exec(target: SSHTarget, command: string, options: ExecOptions & { encoding: 'buffer' }): Promise<CommandResult<Buffer>>
  exec(target: SSHTarget, command: string, options?: ExecOptions & { encoding?: BufferEncoding }): Promise<CommandResult>
  exec(target: SSHTarget, command: string, options?: ExecOptions): Promise<CommandResult<string | Buffer>>
  async exec(target: SSHTarget, command: string, options?: ExecOptions): Promise<CommandResult<string | Buffer>> {
    const checkedTarget = checkTarget(target)
    const checkedCommand = checkCommand(command)
    const checkedOptions = checkExecOptions(options)
    const outcome = await this.#run(checkedTarget, checkedCommand, checkedOptions)
    return settle(checkedTarget, checkedCommand, checkedOptions, outcome)
  }

  getStats(): PoolStats {
    return poolStats(this.#native.stats(), this.#commandsRun)
  }

  getConnections(): ConnectionInfo[] {
    return this.#native.connections().map(connectionInfo)
  }

  /** Closes the connections that run nothing; resolves with how many those were. */
  async closeIdleConnections(): Promise<number> {
    const closed = await this.#native.closeIdle()
    this.deliverEvents()
    return closed
  }

  /** Closes every connection, running commands included. The pool can be used again afterwards. */
  async closeAll(): Promise<void> {
    await this.#native.closeAll()
    this.deliverEvents()
  }

  /** Closes every connection for good: later commands are refused with EPOOLCLOSED. */
  async dispose(): Promise<void> {
    await this.#native.dispose()
    this.deliverEvents()
    // The shared pool is shared: one part of a program closing it must not disable it for the others.
    if (shared === this) shared = undefined
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  protected override get eventSource(): EventSource {
    return this.#native
  }

  async #run(target: CheckedTarget, command: string, options: CheckedExecOptions): Promise<ExecOutcome> {
    const link = linkAbort(options.signal)
    try {
      const stdin = await readStdin(options.stdin, options.signal)
      const config = this.#rules.configFor(target.host, target.poolConfig)
      const outcome = await this.#native.exec(targetSpec(target, config), commandSpec(command, options, stdin), link.token)
      if (outcome.output !== undefined) this.#commandsRun += 1
      return outcome
    } finally {
      link.unlink()
      this.deliverEvents()
    }
  }
}

function settle(
  target: CheckedTarget, command: string, options: CheckedExecOptions, outcome: ExecOutcome,
): CommandResult<string | Buffer> {
  const decode = decoder(options.encoding)
  if (outcome.failure !== undefined) {
    throw errorFromFailure(outcome.failure, { command, decode, reason: options.signal?.reason })
  }
  if (outcome.output === undefined) throw new TypeError('the engine answered with neither output nor failure')
  const result = commandResult(command, target.host, outcome.output, decode)
  if (options.throwOnNonZeroExit === true && !result.ok) throw new CommandFailedError(maskSecrets(command), result)
  return result
}
