import { NativeKubePool } from '../binding'
import { type CheckedKubernetesContext, checkKubernetesContext, checkKubernetesPool } from '../options'
import { ConnectionPool } from '../pool/connection-pool'
import { poolSettings } from '../pool/settings'
import type { RemoteProcess } from '../process'
import type { ShellSession } from '../session'
import type {
  KubernetesContextOptions, KubernetesPoolOptions, PodExecOptions, PodRef, PodResult, PodSessionOptions, PodSpawnOptions,
} from '../types'
import { type ContextHost, KubernetesContext } from './context'
import type { KubernetesForward } from './forward'
import { Targets } from './target'

let shared: KubernetesConnectionPool | undefined

/**
 * Keeps clients of Kubernetes clusters and runs commands in pods through them, one client for everybody who means the same
 * cluster, user and namespace.
 *
 * An idle pool keeps no process alive. Closing it is only needed to close the connections at a certain moment; it closes the
 * forwards first.
 */
export class KubernetesConnectionPool extends ConnectionPool {
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
    const { kubeconfig, context, cluster, user, namespace, timeout = 30_000, shell = 'login', ...limits } = checkKubernetesPool(options)
    const settings = poolSettings({ channelsPerConnection: 100, maxLifetime: 0, ...limits })
    const native = new NativeKubePool(settings)
    super('kubernetes', native.controls(), settings)
    this.#options = given({ kubeconfig, context, cluster, user, namespace })
    this.#host = {
      native,
      targets: new Targets(settings.host, timeout),
      perform: (work) => this.perform(work),
      noticed: () => { this.noticeSubscribers() },
      settled: (completed) => {
        if (completed) this.countCommand()
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

  /** Forwards that are open. */
  get forwards(): readonly KubernetesForward[] {
    return [...this.#forwards]
  }

  /** The same as `closeAll`. */
  close(): Promise<void> {
    return this.closeAll()
  }

  /** Forwards end with the pool, and before their connections. */
  protected override beforeClosing(): Promise<void> | undefined {
    if (this.#forwards.size === 0) return undefined
    return Promise.all([...this.#forwards].map((forward) => forward.close())).then(() => undefined)
  }

  protected override disposed(): void {
    if (shared === this) shared = undefined
  }
}

/** Without what is undefined, so that one object can be laid over another. */
function given(options: Record<string, unknown>): CheckedKubernetesContext {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
