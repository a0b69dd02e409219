import type { Forward } from '../../forward'
import type { Mask } from '../../masking'
import { SSHConnectionPool } from '../../pool'
import type { SSHConnection } from '../../lease'
import type { LeaseOptions, SSHTarget } from '../../types'
import { type Call, execOptions, newCall } from './call'
import { type AdapterCommand, sshOptions } from './command'
import {
  DEFAULT_ADAPTER_CONFIG, type ResolvedAdapterConfig, type SSHAdapterConfig, checkAdapterConfig, mergeConfig,
  withDefaults,
} from './config'
import { AdapterHub } from '../../events'
import { EventBridge, SSH_EVENTS, type SSHAdapterEvents, stamp } from './events'
import type { ExecutionResult, ResultFields } from './execution-result'
import { contractError } from './failures'
import { type FileJob, requireComplete, transferFiles } from './files'
import { isLive, runLive } from './live'
import { type ConnectionPoolMetrics, connectionPoolMetrics } from './metrics'
import { cutShortFields, endedFields, maskPartialOutput } from './outcome'
import { type Shapes, nativeShapes } from './shapes'
import {
  type PortForwardArguments, type ReverseTunnelOptions, type Tunnel, type TunnelOptions, TunnelTargets, announceTunnel, inOurOrder,
  openReverseTunnel, openTunnel,
} from './tunnels'

/** For `@xec-sh/native/xec`. */
export interface AdapterInternals {
  shapes?: Shapes
  /** A pool shared with others, whose life is not this adapter's business. */
  pool?: SSHConnectionPool
}

/** A copy, so that later changes to the caller's object do not reach the tunnel. */
const plainTarget = (target: SSHTarget): SSHTarget => ({ ...target })

/** Runs commands over SSH in the way @xec-sh/core asks of an adapter. Works without core as well. */
export class SSHAdapter extends AdapterHub<SSHAdapterEvents> implements AsyncDisposable {
  readonly name: string = 'ssh'
  readonly adapterName: string = 'ssh'
  protected override readonly names = SSH_EVENTS
  readonly #pool: SSHConnectionPool
  readonly #poolIsOurs: boolean
  readonly #shapes: Shapes
  readonly #bridge: EventBridge
  readonly #targets = new TunnelTargets()
  readonly #tunnels = new Map<string, Tunnel>()
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

  /** Sends a file, over a session of its own; missing directories are made. */
  uploadFile(localPath: string, remotePath: string, options: SSHTarget): Promise<void> {
    return this.#transfer(options, {
      operation: 'uploadFile', path: remotePath, work: (sftp) => sftp.upload(localPath, remotePath, { parents: true }),
    })
  }

  downloadFile(remotePath: string, localPath: string, options: SSHTarget): Promise<void> {
    return this.#transfer(options, {
      operation: 'downloadFile', path: remotePath, work: (sftp) => sftp.download(remotePath, localPath),
    })
  }

  /** Sends all that is in a directory, dotfiles and empty directories too; rejects when anything was left out. */
  uploadDirectory(localPath: string, remotePath: string, options: SSHTarget): Promise<void> {
    const { concurrency = 5 } = this.#config.sftp ?? {}
    return this.#transfer(options, {
      operation: 'uploadDirectory', path: remotePath,
      work: async (sftp) => { requireComplete(await sftp.uploadDirectory(localPath, remotePath, { concurrency })) },
    })
  }

  /** Lends one of the target's connections for as long as `work` takes. */
  async withConnection<R>(
    options: SSHTarget, work: (connection: SSHConnection) => R | Promise<R>, lease?: LeaseOptions,
  ): Promise<R> {
    const connection = await this.#told('connect', options, (target) => this.#pool.getConnection(target, lease))
    try {
      return await work(connection)
    } finally {
      connection.release()
    }
  }

  /** Takes the target's connections out of the pool; busy ones finish what they do. Resolves with how many there were. */
  removeConnection(options: SSHTarget): Promise<number> {
    return this.#told('removeConnection', options, (target) => this.#pool.removeConnection(target))
  }

  isAvailable(): Promise<boolean> {
    // The native library is loaded with this file; without it there would be no adapter to ask.
    return Promise.resolve(true)
  }

  /** Tunnels that are open. */
  get activeTunnels(): ReadonlyMap<string, Tunnel> {
    return this.#tunnels
  }

  /**
   * Listens here and connects from the server. Without `target`, to the host of the last command; core's `$.ssh().tunnel()`
   * says by a command of its own which host it means.
   */
  tunnel(options: TunnelOptions, target?: SSHTarget): Promise<Tunnel> {
    return this.#tunnel('tunnel', target, (host) => openTunnel(this.#pool, host, options))
  }

  /** Has the server listen and connects from here. */
  reverseTunnel(options: ReverseTunnelOptions, target?: SSHTarget): Promise<Tunnel> {
    return this.#tunnel('reverseTunnel', target, (host) => openReverseTunnel(this.#pool, host, options))
  }

  /** As `tunnel`, for one port; the second form is core's, whose adapter has the name and nothing behind it. */
  portForward(target: SSHTarget, localPort: number, remotePort: number, remoteHost?: string): Promise<void>
  portForward(localPort: number, remoteHost: string, remotePort: number, target: SSHTarget): Promise<void>
  async portForward(...args: PortForwardArguments): Promise<void> {
    const [target, localPort, remotePort, remoteHost = 'localhost'] = inOurOrder(args)
    await this.tunnel({ localPort, remoteHost, remotePort }, target)
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
    await Promise.all([...this.#tunnels.values()].map((tunnel) => tunnel.close()))
    if (this.#poolIsOurs) await this.#pool.closeAll()
    else await this.#pool.closeIdleConnections()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  protected override listenersChanged(): void {
    this.#bridge.update()
  }

  #transfer(options: SSHTarget, job: FileJob): Promise<void> {
    return transferFiles(this.#pool, options, this.#config, this.#shapes, job)
  }

  #prepare(command: AdapterCommand): Call {
    const options = sshOptions(command)
    if (options !== undefined) return newCall(command, options, this.#config, this.#mask)
    throw this.#shapes.adapterError('execute', new Error('SSH connection options not provided'), 'invalid-usage')
  }

  async #run(call: Call): Promise<ResultFields> {
    try {
      this.emitSafely('ssh:execute', { ...stamp(), host: call.target.host, command: call.failed.command })
      const ended = isLive(call)
        ? await runLive(this.#pool, call)
        : await this.#pool.exec(call.target, call.line, execOptions(call))
      this.#targets.note(call.line, call.target, ended.ok)
      return endedFields(call, ended)
    } catch (error) {
      const cutShort = cutShortFields(call, error)
      if (cutShort !== undefined) return cutShort
      maskPartialOutput(error, call.mask)
      throw contractError(error, call.failed, this.#shapes)
    }
  }

  async #tunnel(operation: string, target: SSHTarget | undefined, open: (target: SSHTarget) => Promise<Forward>): Promise<Tunnel> {
    const host = target === undefined ? this.#targets.take() : withDefaults(plainTarget(target), this.#config)
    if (host === undefined) {
      const cause = new Error('No SSH connection available. Execute a command first or provide connection options.')
      throw this.#shapes.adapterError(operation, cause, 'invalid-usage')
    }
    try {
      return announceTunnel(await open(host), this.#tunnels, { announce: (event, ...args) => { this.emitSafely(event, ...args) } })
    } catch (error) {
      throw contractError(error, { operation, host: host.host }, this.#shapes)
    }
  }

  /** With the configuration's defaults, and failures in core's classes. */
  async #told<R>(operation: string, options: SSHTarget, work: (target: SSHTarget) => Promise<R>): Promise<R> {
    try {
      return await work(withDefaults(plainTarget(options), this.#config))
    } catch (error) {
      throw contractError(error, { operation, host: options.host }, this.#shapes)
    }
  }

  #throws({ command, config }: Call): boolean {
    if (command.__fromProcessPromise === true) return false
    if (command.nothrow !== undefined) return !command.nothrow
    return command.throwOnNonZeroExit ?? config.throwOnNonZeroExit
  }
}
