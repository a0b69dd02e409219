import { type HostSettings, NativeDockerPool } from '../binding'
import { errorFromFailure } from '../errors'
import { type EventSource, PoolEventHub } from '../events'
import { checkDockerConnect, checkDockerPool, checkDrainOptions } from '../options'
import { Meter } from '../pool/meter'
import { poolSettings } from '../pool/settings'
import { connectionInfo } from '../pool/stats'
import type { RemoteProcess } from '../process'
import type { ShellSession } from '../session'
import type {
  ConnectionInfo, DockerConnectOptions, DockerExecOptions, DockerPoolOptions, DockerRequestOptions, DockerResponse, DockerResult,
  DockerSessionOptions, DockerSpawnOptions, ExecSessionOptions, PoolMetrics, PoolStats,
} from '../types'
import { type ClientHost, DockerClient, type ExchangeOptions } from './client'
import type { DockerExchange } from './exchange'
import type { ExecSession } from './exec-session'
import { sshBridge } from './ssh-bridge'
import { type TargetOrPromise, dockerTarget } from './target'

let shared: DockerConnectionPool | undefined

/**
 * Keeps connections to Docker daemons open and runs commands in containers over them.
 *
 * An idle pool keeps no process alive. Closing it is only needed to close the connections at a certain moment.
 */
export class DockerConnectionPool extends PoolEventHub implements AsyncDisposable {
  readonly #native: NativeDockerPool
  readonly #meter: Meter
  readonly #options: DockerConnectOptions
  readonly #settings: HostSettings
  readonly #host: ClientHost
  #own: DockerClient | undefined

  /** The pool that the whole program shares, made on first use, for the daemon that the Docker CLI would use. */
  static getInstance(): DockerConnectionPool {
    shared ??= new DockerConnectionPool()
    return shared
  }

  constructor(options?: DockerPoolOptions) {
    super('docker')
    const { socketPath, host, port, tls, context, ssh, timeout, shell = 'login', ...limits } = checkDockerPool(options)
    this.#options = given({ socketPath, host, port, tls, context, ssh, timeout })
    const settings = poolSettings({ channelsPerConnection: 100, idleTimeout: 60_000, maxLifetime: 0, ...limits })
    this.#settings = settings.host
    this.#native = new NativeDockerPool(settings)
    this.#meter = new Meter(this.#native, settings)
    this.#host = {
      native: this.#native,
      perform: (work) => this.#perform(work),
      noticed: () => { this.noticeSubscribers() },
      settled: (completed) => {
        if (completed) this.#meter.countCommand()
        this.deliverEvents()
      },
      shell,
    }
  }

  /**
   * Connects to a daemon: the pool's own, or the one that the options name. Resolves when it has answered. Clients of one
   * daemon share their connections.
   */
  async connect(options?: DockerConnectOptions): Promise<DockerClient> {
    const checked = checkDockerConnect(options)
    const target = this.#target({ ...this.#options, ...(saysWhere(checked) ? nowhere : {}), ...checked })
    return this.#connected(target)
  }

  /** The pool's own daemon, when it has answered. */
  getClient(): Promise<DockerClient> {
    return this.connect()
  }

  exec(container: string, command: string | string[], options: DockerExecOptions & { encoding: 'buffer' }): Promise<DockerResult<Buffer>>
  exec(container: string, command: string | string[], options?: DockerExecOptions & { encoding?: BufferEncoding }): Promise<DockerResult>
  exec(container: string, command: string | string[], options?: DockerExecOptions): Promise<DockerResult<string | Buffer>>
  async exec(container: string, command: string | string[], options?: DockerExecOptions): Promise<DockerResult<string | Buffer>> {
    return this.client.exec(container, command, options)
  }

  /** The same as `exec`. */
  execute(container: string, command: string | string[], options: DockerExecOptions & { encoding: 'buffer' }): Promise<DockerResult<Buffer>>
  execute(container: string, command: string | string[], options?: DockerExecOptions & { encoding?: BufferEncoding }): Promise<DockerResult>
  execute(container: string, command: string | string[], options?: DockerExecOptions): Promise<DockerResult<string | Buffer>>
  async execute(container: string, command: string | string[], options?: DockerExecOptions): Promise<DockerResult<string | Buffer>> {
    return this.client.exec(container, command, options)
  }

  /** See `DockerClient.spawn`. */
  spawn(container: string, command: string | string[], options?: DockerSpawnOptions): RemoteProcess {
    return this.client.spawn(container, command, options)
  }

  /** See `DockerClient.session`. */
  async session(container: string, options?: DockerSessionOptions): Promise<ShellSession> {
    return this.client.session(container, options)
  }

  /** See `DockerClient.createExecSession`. */
  createExecSession(container: string, options?: ExecSessionOptions): ExecSession {
    return this.client.createExecSession(container, options)
  }

  /** See `DockerClient.request`. */
  async request(method: string, path: string, options?: DockerRequestOptions): Promise<DockerResponse> {
    return this.client.request(method, path, options)
  }

  /** See `DockerClient.exchange`. */
  exchange(method: string, path: string, options?: ExchangeOptions): DockerExchange {
    return this.client.exchange(method, path, options)
  }

  /** The pool's own daemon, whether it answers or not. Which one it is, is found out once. */
  get client(): DockerClient {
    this.#own ??= new DockerClient(this.#host, this.#target(this.#options))
    return this.#own
  }

  /** The figures since the pool was made. */
  getStats(): PoolStats {
    return this.#meter.stats()
  }

  /** The figures since the last `resetMetrics()`, and how long things took. */
  getMetrics(): PoolMetrics {
    return this.#meter.metrics()
  }

  resetMetrics(): void {
    this.#meter.reset()
  }

  getConnections(): ConnectionInfo[] {
    return this.#native.connections().map(connectionInfo)
  }

  /** Closes the connections that run nothing; resolves with how many those were. */
  closeIdleConnections(): Promise<number> {
    return this.#perform(() => this.#native.closeIdle())
  }

  /**
   * Refuses new commands, lets the others end, and closes every connection; after `timeout` milliseconds (30_000, 0 = no
   * limit) it cuts what is left. Resolves with whether nothing had to be cut. The pool can be used again afterwards.
   */
  drain(options?: { timeout?: number }): Promise<boolean> {
    return this.#perform(() => {
      const { timeout = 30_000 } = checkDrainOptions(options)
      return this.#native.drain(timeout === 0 ? undefined : timeout)
    })
  }

  /** Closes every connection, running commands included. The pool can be used again afterwards. */
  closeAll(): Promise<void> {
    return this.#perform(() => this.#native.closeAll())
  }

  /** The same as `closeAll`. */
  close(): Promise<void> {
    return this.closeAll()
  }

  /** Closes every connection for good: later commands are refused with EPOOLCLOSED. */
  async dispose(): Promise<void> {
    await this.#perform(() => this.#native.dispose())
    // The shared pool is shared: one part of a program closing it must not disable it for the others.
    if (shared === this) shared = undefined
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  protected override get eventSource(): EventSource {
    return this.#native
  }

  #target(options: DockerConnectOptions): TargetOrPromise {
    return dockerTarget(options, this.#settings, sshBridge)
  }

  async #connected(found: TargetOrPromise): Promise<DockerClient> {
    const target = await found
    const { failure } = await this.#perform(() => this.#native.warmUp(target))
    if (failure !== undefined) throw errorFromFailure(failure)
    return new DockerClient(this.#host, target)
  }

  /** What happens meanwhile is emitted before the promise settles. */
  async #perform<R>(work: () => Promise<R>): Promise<R> {
    this.noticeSubscribers()
    try {
      return await work()
    } finally {
      this.deliverEvents()
    }
  }
}

/** Without what is undefined, so that one object can be laid over another. */
function given(options: { [K in keyof DockerConnectOptions]: DockerConnectOptions[K] | undefined }): DockerConnectOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => (value as unknown) !== undefined))
}

/** Who names another daemon means nothing of the pool's own. */
const nowhere = { socketPath: undefined, host: undefined, port: undefined, tls: undefined, context: undefined, ssh: undefined } as unknown as DockerConnectOptions

const saysWhere = ({ socketPath, host, context }: DockerConnectOptions): boolean =>
  socketPath !== undefined || host !== undefined || context !== undefined
