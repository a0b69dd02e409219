import type { SSHTarget } from '../types'
import type { Core, EngineLike, ExecutionEngineConfig } from './core'
import { type CarryOver, type XecEngine, wrapEngine } from './engine'
import { type InstallConfig, type Installation, Installer } from './install'
import { keepClusters } from './kubernetes'
import { mendRejections } from './rejections'
import { coreDockerShapes, coreKubernetesShapes, coreShapes } from './shapes'

export type { EngineLike, ExecutionEngineConfig, InstallConfig, Installation, XecEngine }
export type { NamedAdapter } from './engine'
export type { SSHContext } from './ssh'

declare module '@xec-sh/core' {
  /** What `$.ssh({...})` takes besides core's own options once `install` was called. */
  interface SSHAdapterOptions {
    hostKeyChecking?: SSHTarget['hostKeyChecking']
    knownHostsPath?: SSHTarget['knownHostsPath']
    poolConfig?: SSHTarget['poolConfig']
    controlMaster?: SSHTarget['controlMaster']
    controlPath?: SSHTarget['controlPath']
    controlPersist?: SSHTarget['controlPersist']
  }
  /** What `$.k8s({...})` takes besides core's own options once `install` was called. */
  interface KubernetesAdapterOptions {
    kubeconfig?: string
    context?: string
    cluster?: string
    user?: string
  }
}

/** The drop-in for one @xec-sh/core. */
export interface Xec {
  /**
   * Makes an engine's SSH commands and those in containers and pods run through Rust. Calling it again changes nothing but the given options.
   * Needed again after core's `configure()` or `dispose()`, which throw every registered adapter away.
   */
  readonly install: (engine: EngineLike, config?: InstallConfig) => Installation
  /** Brings back the adapters that were there before; does nothing when there is none of ours. */
  readonly uninstall: (engine: EngineLike) => Promise<void>
  /** A new engine of core with our adapters in it. */
  readonly createEngine: (config?: ExecutionEngineConfig) => XecEngine
  /** An engine made by `createEngine()`, independent of core's own `$`. */
  readonly $: XecEngine
}

const known = new WeakMap<Core['ExecutionEngine'], Xec>()

/** One drop-in per core, however it was loaded: `import` and `require` share it. */
export function forCore(core: Core): Xec {
  const present = known.get(core.ExecutionEngine)
  if (present !== undefined) return present
  const made = makeXec(core)
  known.set(core.ExecutionEngine, made)
  return made
}

function makeXec(core: Core): Xec {
  const installer = new Installer({ ssh: coreShapes(core), docker: coreDockerShapes(core), kubernetes: coreKubernetesShapes(core) })
  keepClusters(core)
  mendRejections(core)
  const carryOver: CarryOver = (from, to) => { installer.carryOver(from, to) }
  const createEngine = (config?: ExecutionEngineConfig): XecEngine => {
    const engine = core.createCallableEngine(new core.ExecutionEngine(config))
    installer.install(engine)
    return wrapEngine(core, engine, carryOver)
  }
  return {
    install: (engine, config) => installer.install(engine, config),
    uninstall: (engine) => installer.uninstall(engine),
    createEngine,
    $: createEngine(),
  }
}
