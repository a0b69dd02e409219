import { SSHAdapter } from '../adapters/ssh/adapter'
import type { SSHAdapterConfig } from '../adapters/ssh/config'
import type { Shapes } from '../adapters/ssh/shapes'
import { SSHConnectionPool } from '../pool'
import type { EngineLike } from './core'

/** What `install` returns. */
export interface Installation {
  /** The adapter that now runs the engine's SSH commands; its events are `ssh:connect` and the like. */
  readonly adapter: SSHAdapter
  /** Brings back the adapter that was there before. */
  readonly uninstall: () => Promise<void>
}

export class Installer {
  readonly #shapes: Shapes
  /** By adapter, because engines made with `with()` share their adapters. */
  readonly #installations = new WeakMap<object, Installation>()
  readonly #configs = new WeakMap<Installation, SSHAdapterConfig>()

  constructor(shapes: Shapes) {
    this.#shapes = shapes
  }

  install(engine: EngineLike, config: SSHAdapterConfig = {}): Installation {
    const present = this.#find(engine)
    if (present === undefined) return this.#installNew(engine, config)
    present.adapter.updateConfig(config)
    return present
  }

  /** For core's `defaults()`, which makes a new engine with new adapters: it gets what `from` had. */
  carryOver(from: EngineLike, to: EngineLike): void {
    const adapter = from.getAdapter('ssh')
    if (adapter === undefined || adapter === to.getAdapter('ssh')) return
    const installed = this.#find(from)
    if (installed === undefined) to.registerAdapter('ssh', adapter)
    else this.#installNew(to, this.#configs.get(installed) ?? {})
  }

  async uninstall(engine: EngineLike): Promise<void> {
    await this.#find(engine)?.uninstall()
  }

  #find(engine: EngineLike): Installation | undefined {
    const adapter = engine.getAdapter('ssh')
    return adapter === undefined ? undefined : this.#installations.get(adapter)
  }

  #installNew(engine: EngineLike, config: SSHAdapterConfig): Installation {
    const previous = engine.getAdapter('ssh')
    const adapter = new SSHAdapter({ ...engineDefaults(engine), ...config }, {
      shapes: this.#shapes,
      // The program's shared pool, so that SSHConnectionPool.getInstance() shows what `$.ssh` does.
      pool: SSHConnectionPool.getInstance(),
    })
    const uninstall = async (): Promise<void> => {
      if (engine.getAdapter('ssh') === adapter && previous !== undefined) engine.registerAdapter('ssh', previous)
      await adapter.dispose()
    }
    engine.registerAdapter('ssh', adapter)
    const installation: Installation = { adapter, uninstall }
    this.#installations.set(adapter, installation)
    this.#configs.set(installation, config)
    return installation
  }
}

/** An engine gives its defaults to its own adapters only when it makes them, so they are read from it here. */
const INHERITED = ['defaultTimeout', 'encoding', 'maxBuffer', 'throwOnNonZeroExit'] as const

function engineDefaults(engine: EngineLike): SSHAdapterConfig {
  const config: Record<string, unknown> = { ...engine.config.get() }
  const inherited = Object.fromEntries(INHERITED.map((name) => [name, config[name]]))
  return { ...inherited, ...sshSection(config['adapters']) }
}

function sshSection(adapters: unknown): SSHAdapterConfig {
  return typeof adapters === 'object' && adapters !== null && 'ssh' in adapters ? { ...asObject(adapters.ssh) } : {}
}

const asObject = (value: unknown): object => (typeof value === 'object' && value !== null ? value : {})
