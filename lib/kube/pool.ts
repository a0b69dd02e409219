import { type HostSettings, NativeKubePool } from '../binding'
import { type EventSource, PoolEventHub } from '../events'
import { type CheckedKubernetesContext, checkDrainOptions, checkKubernetesContext, checkKubernetesPool } from '../options'
import { Meter } from '../pool/meter'
import { poolSettings } from '../pool/settings'
import { connectionInfo } from '../pool/stats'
import type { RemoteProcess } from '../process'
import type { ShellSession } from '../session'
import type {
  ConnectionInfo, KubernetesContextOptions, KubernetesPoolOptions, PodExecOptions, PodRef, PodResult, PodSessionOptions, PodSpawnOptions,
  PoolMetrics, PoolStats,
} from '../types'
import { type ContextHost, KubernetesContext } from './context'
import type { KubernetesForward } from './forward'
import { Targets } from './target'

let shared: KubernetesConnectionPool | undefined

/**
 * Keeps clients of Kubernetes clusters and runs commands in pods through them, one client for everybody who means the same
 * cluster, user and namespace.
 *
 * An idle pool keeps no process alive. Closing it is only needed to close the connections at a certain moment.
 */
export class KubernetesConnectionPool extends PoolEventHub implements AsyncDisposable {
  readonly #native: NativeKubePool
  readonly #meter: Meter
  readonly #options: CheckedKubernetesContext
  readonly #host: ContextHost
  readonly #forwards = new Set<KubernetesForward>()
  #own: KubernetesContext | undefined

  /** The pool that the whole program shares, made on first use, for the cluster that kubectl would use. */
  static getInstance(): KubernetesConnectionPool {
    shared ??= new KubernetesConnectionPool()
    return shared
  }

  constructor(options?: KubernetesPoolOptions) {
    super('kubernetes')
    const { kubeconfig, context, cluster, user, namespace, timeout = 30_000, shell = 'login', ...limits } = checkKubernetesPool(options)
    this.#options = given({ kubeconfig, context, cluster, user, namespace })
    const settings = poolSettings({ channelsPerConnection: 100, maxLifetime: 0, ...limits })
    const host: HostSettings = settings.host
    this.#native = new NativeKubePool(settings)
    this.#meter = new Meter(this.#native, settings)
    this.#host = {
      native: this.#native,
      targets: new Targets(host, timeout),
      perform: (work) => this.#perform(work),
      noticed: () => { this.noticeSubscribers() },
      settled: (completed) => {
        if (completed) this.#meter.countCommand()
        this.deliverEvents()
      },
      shell,
      forwards: this.#forwards,
    }
  }

  /**
   * A cluster, and who we are there: the pool's own, with what the options say laid over it. Asks nobody anything; contexts that mean the
   * same share their client. Nothing needs to be closed.
   */
  createContext(options?: KubernetesContextOptions): KubernetesContext {
    return new KubernetesContext(this.#host, { ...this.#options, ...checkKubernetesContext(options) })
  }

  /** Connects ahead of need: resolves when the cluster has answered. */
  async connect(options?: KubernetesContextOptions): Promise<KubernetesContext> {
    const context = this.createContext(options)
    await context.connect()
    return context
  }

  /** The pool's own cluster. */
  get context(): KubernetesContext {
    this.#own ??= this.createContext()
    return this.#own
  }

  exec(pod: PodRef, command: string | string[], options: PodExecOptions & { encoding: 'buffer' }): Promise<PodResult<Buffer>>
  exec(pod: PodRef, command: string | string[], options?: PodExecOptions & { encoding?: BufferEncoding }): Promise<PodResult>
  exec(pod: PodRef, command: string | string[], options?: PodExecOptions): Promise<PodResult<string | Buffer>>
  async exec(pod: PodRef, command: string | string[], options?: PodExecOptions): Promise<PodResult<string | Buffer>> {
    return this.context.exec(pod, command, options)
  }

  /** See `KubernetesContext.spawn`. */
  spawn(pod: PodRef, command: string | string[], options?: PodSpawnOptions): RemoteProcess {
    return this.context.spawn(pod, command, options)
  }

  /** See `KubernetesContext.session`. */
  async session(pod: PodRef, options?: PodSessionOptions): Promise<ShellSession> {
    return this.context.session(pod, options)
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

  /** Forwards that are open. */
  get forwards(): readonly KubernetesForward[] {
    return [...this.#forwards]
  }

  /** Closes the clients that nothing uses; resolves with how many those were. */
  closeIdleConnections(): Promise<number> {
    return this.#perform(() => this.#native.closeIdle())
  }

  /**
   * Refuses new commands, lets the others end, and closes every client; after `timeout` milliseconds (30_000, 0 = no limit) it cuts
   * what is left. Resolves with whether nothing had to be cut. The pool can be used again afterwards. Forwards are closed first.
   */
  async drain(options?: { timeout?: number }): Promise<boolean> {
    const { timeout = 30_000 } = checkDrainOptions(options)
    await this.#closeForwards()
    return this.#perform(() => this.#native.drain(timeout === 0 ? undefined : timeout))
  }

  /** Closes every client and every forward, running commands included. The pool can be used again afterwards. */
  async closeAll(): Promise<void> {
    await this.#closeForwards()
    await this.#perform(() => this.#native.closeAll())
  }

  /** The same as `closeAll`. */
  close(): Promise<void> {
    return this.closeAll()
  }

  /** Closes everything for good: later commands are refused with EPOOLCLOSED. */
  async dispose(): Promise<void> {
    await this.#closeForwards()
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

  async #closeForwards(): Promise<void> {
    await Promise.all([...this.#forwards].map((forward) => forward.close()))
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
function given(options: Record<string, unknown>): CheckedKubernetesContext {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
