import type { Mask } from '../../masking'
import { SSHConnectionPool } from '../../pool'
import { type Call, execOptions, newCall } from './call'
import { type AdapterCommand, sshOptions } from './command'
import {
  DEFAULT_ADAPTER_CONFIG, type ResolvedAdapterConfig, type SSHAdapterConfig, checkAdapterConfig, mergeConfig,
} from './config'
import { EventBridge, stamp } from './events'
import type { ExecutionResult } from './execution-result'
import { contractError } from './failures'
import { LaterMethods } from './later'
import { runLive } from './live'
import { type ConnectionPoolMetrics, connectionPoolMetrics } from './metrics'
import { cutShortFields, endedFields, maskPartialOutput } from './outcome'
import { type Shapes, nativeShapes } from './shapes'

/** For `@xec-sh/native/xec`. */
export interface AdapterInternals {
  shapes?: Shapes
  /** A pool shared with others, whose life is not this adapter's business. */
  pool?: SSHConnectionPool
}

/** Runs commands over SSH in the way @xec-sh/core asks of an adapter. Works without core as well. */
export class SSHAdapter extends LaterMethods implements AsyncDisposable {
  readonly name: string = 'ssh'
  readonly adapterName: string = 'ssh'
  readonly #pool: SSHConnectionPool
  readonly #poolIsOurs: boolean
  readonly #shapes: Shapes
  readonly #bridge: EventBridge
  #config: ResolvedAdapterConfig
  #mask: Mask

  constructor(config: SSHAdapterConfig = {}, internals: AdapterInternals = {}) {
    super()
    this.#config = mergeConfig(DEFAULT_ADAPTER_CONFIG, checkAdapterConfig(config, ''))
    this.#shapes = internals.shapes ?? nativeShapes
    this.#mask = this.#shapes.createMask(this.#config.sensitiveDataMasking)
    this.#poolIsOurs = internals.pool === undefined
    this.#pool = internals.pool ?? new SSHConnectionPool()
    this.#bridge = new EventBridge(this.#pool, {
      listenerCount: (event) => this.listenerCount(event),
      announce: (event, ...args) => { this.emitSafely(event, ...args) },
    })
  }

  /**
   * Runs a command on the host that `command.adapterOptions` names. An exit code other than 0 rejects, unless `nothrow`
   * or the configuration says otherwise, or a promise of core will judge the result itself.
   */
  async execute(command: AdapterCommand): Promise<ExecutionResult> {
    const call = this.#prepare(command)
    const result = this.#shapes.result(await this.#run(call))
    if (this.#throws(call)) result.throwIfFailed()
    return result
  }

  isAvailable(): Promise<boolean> {
    // The native library is loaded with this file; without it there would be no adapter to ask.
    return Promise.resolve(true)
  }

  getConnectionPoolMetrics(): ConnectionPoolMetrics {
    return connectionPoolMetrics(this.#pool.getStats())
  }

  getPoolMetrics(): ConnectionPoolMetrics {
    return this.getConnectionPoolMetrics()
  }

  /** Changes some of the configuration; running commands keep what they were started with. */
  updateConfig(config: SSHAdapterConfig): void {
    this.#config = mergeConfig(this.#config, checkAdapterConfig(config, ''))
    this.#mask = this.#shapes.createMask(this.#config.sensitiveDataMasking)
  }

  getConfig(): Readonly<SSHAdapterConfig> {
    return { ...this.#config }
  }

  /** Closes the connections. The adapter can be used again and then opens new ones. */
  async dispose(): Promise<void> {
    if (this.#poolIsOurs) await this.#pool.closeAll()
    else await this.#pool.closeIdleConnections()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  protected override get shapes(): Shapes {
    return this.#shapes
  }

  protected override listenersChanged(): void {
    this.#bridge.update()
  }

  #prepare(command: AdapterCommand): Call {
    const options = sshOptions(command)
    if (options !== undefined) return newCall(command, options, this.#config, this.#mask)
    throw this.#shapes.adapterError('execute', new Error('SSH connection options not provided'), 'invalid-usage')
  }

  async #run(call: Call): ReturnType<typeof endedFields> {
    try {
      this.emitSafely('ssh:execute', { ...stamp(), host: call.target.host, command: call.failed.command })
      const { onSpawn } = call.command
      const ended = onSpawn === undefined
        ? await this.#pool.exec(call.target, call.line, execOptions(call))
        : await runLive(this.#pool, call, onSpawn)
      return await endedFields(call, ended)
    } catch (error) {
      const cutShort = cutShortFields(call, error)
      if (cutShort !== undefined) return cutShort
      maskPartialOutput(error, call.mask)
      throw contractError(error, call.failed, this.#shapes)
    }
  }

  #throws({ command, config }: Call): boolean {
    if (command.__fromProcessPromise === true) return false
    if (command.nothrow !== undefined) return !command.nothrow
    return command.throwOnNonZeroExit ?? config.throwOnNonZeroExit
  }
}
