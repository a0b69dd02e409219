import { KubernetesConnectionPool, type KubernetesContext } from '../../kube'
import type { Where } from './where'

/** Contexts by what they are for: made once, so that kubeconfig files are read once. All share one pool. */
export class Clusters {
  readonly #shared: KubernetesConnectionPool | undefined
  readonly #contexts = new Map<string, KubernetesContext>()
  #own: KubernetesConnectionPool | undefined

  constructor(shared: KubernetesConnectionPool | undefined) {
    this.#shared = shared
  }

  at({ kubeconfig, context, cluster, user, namespace }: Where): KubernetesContext {
    const key = JSON.stringify([kubeconfig, context, cluster, user, namespace])
    const found = this.#contexts.get(key)
    if (found !== undefined) return found
    const made = this.#pool.createContext({
      ...(kubeconfig === undefined ? {} : { kubeconfig }), ...(context === undefined ? {} : { context }),
      ...(cluster === undefined ? {} : { cluster }), ...(user === undefined ? {} : { user }), ...(namespace === undefined ? {} : { namespace }),
    })
    this.#contexts.set(key, made)
    return made
  }

  /** A shared pool's life is not ours: only what nobody uses is closed there. */
  async close(): Promise<void> {
    this.#contexts.clear()
    if (this.#shared === undefined) await this.#own?.closeAll()
    else await this.#shared.closeIdleConnections()
  }

  get #pool(): KubernetesConnectionPool {
    if (this.#shared !== undefined) return this.#shared
    this.#own ??= new KubernetesConnectionPool()
    return this.#own
  }
}
