import { KubernetesAdapter } from '../adapters/kubernetes/adapter'
import type { KubernetesAdapterOptions } from '../adapters/kubernetes/command'
import type { ClusterOptions, Where } from '../adapters/kubernetes/where'
import { KubernetesConnectionPool, type KubernetesContext } from '../kube'
import type { KubernetesContextOptions } from '../types'
import type { CallableExecutionEngine, Core, EngineLike } from './core'

type CoreK8s = CallableExecutionEngine['k8s']

/** Core's `$.k8s`, and the context that its documents show. */
export type K8sDoor = CoreK8s & {
  /** Core's types want a pod even where `pod(name)` names it. */
  (options: Partial<Omit<KubernetesAdapterOptions, 'type'>>): ReturnType<CoreK8s>
  createContext(options?: KubernetesContextOptions): KubernetesContext
}

type AnyFunction = (...values: readonly unknown[]) => unknown

/** Adds to core's `k8s`, a function, what ours has more. */
export function k8sDoor(engine: EngineLike, k8s: AnyFunction): K8sDoor {
  const open = (...options: unknown[]): unknown => k8s.call(engine, ...options)
  const createContext = (options?: KubernetesContextOptions): KubernetesContext => KubernetesConnectionPool.getInstance().createContext(options)
  // Its type is core's own, whose values it passes on.
  return Object.assign(open, { createContext }) as unknown as K8sDoor
}

/** What core takes and then drops on its way to an adapter: without it, a command ends up in another cluster. */
const DROPPED = ['kubeconfig', 'context', 'cluster', 'user'] as const satisfies readonly (keyof ClusterOptions)[]

const patched = new WeakSet()

interface Engine {
  getAdapter(name: string): unknown
  with(config: object): unknown
}

/**
 * Has every engine's `k8s` pass on which cluster is meant, where the adapter is ours. On the prototype, because `with()`, `cd()` and the
 * like make engines that nobody else can reach; an engine with another adapter gets what it always got.
 */
export function keepClusters(core: Core): void {
  const prototype: object = core.ExecutionEngine.prototype
  if (patched.has(prototype)) return
  patched.add(prototype)
  const original = Reflect.get(prototype, 'k8s') as AnyFunction
  const k8s = function (this: Engine, ...values: readonly unknown[]): unknown {
    const adapter = this.getAdapter('kubernetes')
    const where = whereIn(values[0])
    const meant = adapter instanceof KubernetesAdapter && where !== undefined ? meaning(this, adapter, where) : this
    return original.call(meant, ...values)
  }
  Object.defineProperty(prototype, 'k8s', { value: k8s, writable: true, configurable: true, enumerable: false })
}

/** The engine as core's context sees it: its adapter is one for this cluster, and so is every command it runs. */
function meaning(engine: Engine, adapter: KubernetesAdapter, where: Where): Engine {
  const chosen = adapter.at(where)
  return Object.create(engine, {
    getAdapter: { value: (name: string) => (name === 'kubernetes' ? chosen : engine.getAdapter(name)) },
    with: { value: (config: { adapterOptions?: object }) => engine.with({ ...config, ...toldWhere(config.adapterOptions, where) }) },
  }) as Engine
}

function toldWhere(options: object | undefined, where: Where): object {
  const isOurs = options !== undefined && 'type' in options && options.type === 'kubernetes'
  return isOurs ? { adapterOptions: { ...where, ...options } } : {}
}

function whereIn(options: unknown): Where | undefined {
  if (typeof options !== 'object' || options === null) return undefined
  const found = DROPPED.map((name) => [name, Reflect.get(options, name) as unknown] as const).filter(([, value]) => value !== undefined)
  // Whatever is wrong with them is said by the adapter, by their names.
  return found.length === 0 ? undefined : Object.fromEntries(found)
}
