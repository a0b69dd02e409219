import { type HostSettings, NativeDockerPool } from '../binding'
import { errorFromFailure } from '../errors'
import { checkDockerConnect, checkDockerPool } from '../options'
import { ConnectionPool } from '../pool/connection-pool'
import { poolSettings } from '../pool/settings'
import type { RemoteProcess } from '../process'
import type { ShellSession } from '../session'
import type {
  DockerConnectOptions, DockerExecOptions, DockerPoolOptions, DockerRequestOptions, DockerResponse, DockerResult,
  DockerSessionOptions, DockerSpawnOptions, ExecSessionOptions,
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
export class DockerConnectionPool extends ConnectionPool {
  readonly #native: NativeDockerPool
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
    const { socketPath, host, port, tls, context, ssh, timeout, shell = 'login', ...limits } = checkDockerPool(options)
    const settings = poolSettings({ channelsPerConnection: 100, idleTimeout: 60_000, maxLifetime: 0, ...limits })
    const native = new NativeDockerPool(settings)
    super('docker', native.controls(), settings)
    this.#native = native
    this.#settings = settings.host
    this.#options = given({ socketPath, host, port, tls, context, ssh, timeout })
    this.#host = {
      native,
      perform: (work) => this.perform(work),
      noticed: () => { this.noticeSubscribers() },
      settled: (completed) => {
        if (completed) this.countCommand()
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

  /** The same as `closeAll`. */
  close(): Promise<void> {
    return this.closeAll()
  }

  protected override beforeClosing(): undefined {
    return undefined
  }

  protected override disposed(): void {
    if (shared === this) shared = undefined
  }

  #target(options: DockerConnectOptions): TargetOrPromise {
    return dockerTarget(options, this.#settings, sshBridge)
  }

  async #connected(found: TargetOrPromise): Promise<DockerClient> {
    const target = await found
    const { failure } = await this.perform(() => this.#native.warmUp(target))
    if (failure !== undefined) throw errorFromFailure(failure)
    return new DockerClient(this.#host, target)
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
