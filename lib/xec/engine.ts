import { type DockerDoor, dockerDoor } from './docker'
import { type K8sDoor, k8sDoor } from './kubernetes'
import { type SSHDoor, sshDoor } from './ssh'
import type { CallableExecutionEngine, Command, Core, EngineLike, ProcessPromise } from './core'

type Rewrapped = 'with' | 'local' | 'cd' | 'env' | 'timeout' | 'shell' | 'retry' | 'defaults' | 'ssh' | 'docker' | 'k8s'

/** Core's `$`, on which `with` takes an adapter itself as well as its name, and `ssh`, `docker` and `k8s` give more. */
export interface XecEngine extends Omit<CallableExecutionEngine, Rewrapped> {
  (strings: TemplateStringsArray, ...values: unknown[]): ProcessPromise
  with(config: Omit<Partial<Command>, 'adapter'> & { adapter?: Command['adapter'] | NamedAdapter }): XecEngine
  readonly ssh: SSHDoor
  readonly docker: DockerDoor
  readonly k8s: K8sDoor
  local(): XecEngine
  cd(directory: string): XecEngine
  env(variables: Record<string, string>): XecEngine
  timeout(milliseconds: number): XecEngine
  shell(shell: string | boolean): XecEngine
  retry(options: unknown): XecEngine
  defaults(config: Parameters<CallableExecutionEngine['defaults']>[0]): XecEngine
}

/** An adapter object, which says by its name what it replaces. */
export interface NamedAdapter {
  readonly name: string
  execute(command: never): Promise<unknown>
}

/** Gives a derived engine the adapters of the one it came from, where core has made new ones. */
export type CarryOver = (from: CallableExecutionEngine, to: CallableExecutionEngine) => void

const DERIVING: ReadonlySet<PropertyKey> = new Set(['local', 'cd', 'env', 'timeout', 'shell', 'retry', 'defaults'])
const ADAPTERS = ['local', 'ssh', 'docker', 'kubernetes']

type AnyFunction = (...values: readonly unknown[]) => unknown

/** Core's callable engine with our `with`; engines derived from it are wrapped as well. */
export function wrapEngine(core: Core, engine: CallableExecutionEngine, carryOver: CarryOver): XecEngine {
  const wrap = (derived: CallableExecutionEngine): XecEngine => wrapEngine(core, derived, carryOver)
  const proxy: object = new Proxy(engine, {
    get(target, name): unknown {
      const value: unknown = Reflect.get(target, name)
      if (name === 'with') return (config: WithConfig) => wrap(withAdapter(core, target, config))
      if (name === 'ssh' && typeof value === 'function') return sshDoor(target, value as AnyFunction)
      if (name === 'docker' && typeof value === 'function') return dockerDoor(target, value as AnyFunction)
      if (name === 'k8s' && typeof value === 'function') return k8sDoor(target, value as AnyFunction)
      if (!DERIVING.has(name) || typeof value !== 'function') return value
      return (...values: unknown[]) => {
        const derived = (value as AnyFunction)(...values) as CallableExecutionEngine
        carryOver(target, derived)
        return wrap(derived)
      }
    },
  })
  // A proxy has its target's type; what this one changes is what XecEngine adds to it.
  return proxy as XecEngine
}

type WithConfig = Parameters<XecEngine['with']>[0]

function withAdapter(core: Core, engine: CallableExecutionEngine, config: WithConfig): CallableExecutionEngine {
  const { adapter, ...rest } = config
  if (typeof adapter !== 'object') return engine.with({ ...rest, ...(adapter === undefined ? {} : { adapter }) })
  const inherited: object = asObject(Reflect.get(engine, 'currentConfig'))
  return coreEngineWith(core, engine, adapter).with({ ...inherited, ...rest, adapter: toAdapterType(adapter.name) })
}

/** An engine of its own, with the same adapters but one: `with` must not change the engine it is called on. */
function coreEngineWith(core: Core, engine: CallableExecutionEngine, adapter: NamedAdapter): CallableExecutionEngine {
  const own = core.createCallableEngine(new core.ExecutionEngine(engine.config.get(), new Map()))
  for (const name of ADAPTERS) {
    const present = engine.getAdapter(name)
    if (present !== undefined) own.registerAdapter(name, present)
  }
  const registry: EngineLike = own
  registry.registerAdapter(adapter.name, adapter)
  return own
}

function toAdapterType(name: string): Command['adapter'] {
  const types = ['local', 'ssh', 'docker', 'kubernetes'] as const
  return types.find((type) => type === name) ?? 'auto'
}

const asObject = (value: unknown): object => (typeof value === 'object' && value !== null ? value : {})
