import { DockerAdapter } from '../adapters/docker/adapter'
import { type DockerAdapterConfig, daemonHost } from '../adapters/docker/config'
import type { DockerShapes } from '../adapters/docker/shapes'
import { KubernetesAdapter } from '../adapters/kubernetes/adapter'
import type { KubernetesAdapterConfig } from '../adapters/kubernetes/config'
import type { KubernetesShapes } from '../adapters/kubernetes/shapes'
import { SSHAdapter } from '../adapters/ssh/adapter'
import type { SSHAdapterConfig } from '../adapters/ssh/config'
import type { Shapes } from '../adapters/ssh/shapes'
import { DockerConnectionPool } from '../docker'
import { KubernetesConnectionPool } from '../kube'
import { SSHConnectionPool } from '../pool'
import type { EngineLike } from './core'

/** What `install` takes: the SSH adapter's configuration, and the others' under their names. */
export interface InstallConfig extends SSHAdapterConfig {
  docker?: DockerAdapterConfig
  kubernetes?: KubernetesAdapterConfig
}

/** What `install` returns. */
export interface Installation {
  /** The adapter that now runs the engine's SSH commands; its events are `ssh:connect` and the like. */
  readonly adapter: SSHAdapter
  /** The adapter that now runs commands in containers; its events are `docker:exec` and the like. */
  readonly docker: DockerAdapter
  /** The adapter that now runs commands in pods; its events are `k8s:exec` and the like. */
  readonly kubernetes: KubernetesAdapter
  /** Brings back the adapters that were there before. */
  readonly uninstall: () => Promise<void>
}

/** Results and errors of each adapter. */
export interface AllShapes {
  ssh: Shapes
  docker: DockerShapes
  kubernetes: KubernetesShapes
}

const INSTALLED = ['ssh', 'docker', 'kubernetes'] as const

export class Installer {
  readonly #shapes: AllShapes
  /** By adapter, because engines made with `with()` share their adapters. */
  readonly #installations = new WeakMap<object, Installation>()
  readonly #configs = new WeakMap<Installation, InstallConfig>()

  constructor(shapes: AllShapes) {
    this.#shapes = shapes
  }

  install(engine: EngineLike, config: InstallConfig = {}): Installation {
    const present = this.#find(engine)
    if (present === undefined) return this.#installNew(engine, config)
    const { docker, kubernetes, ...ssh } = config
    present.adapter.updateConfig(ssh)
    if (docker !== undefined) present.docker.updateConfig(docker)
    if (kubernetes !== undefined) present.kubernetes.updateConfig(kubernetes)
    return present
  }

  /** For core's `defaults()`, which makes a new engine with new adapters: it gets what `from` had. */
  carryOver(from: EngineLike, to: EngineLike): void {
    const adapter = from.getAdapter('ssh')
    if (adapter === undefined || adapter === to.getAdapter('ssh')) return
    const installed = this.#find(from)
    if (installed !== undefined) {
      this.#installNew(to, this.#configs.get(installed) ?? {})
      return
    }
    for (const name of INSTALLED) {
      const own = from.getAdapter(name)
      if (own !== undefined) to.registerAdapter(name, own)
    }
  }

  async uninstall(engine: EngineLike): Promise<void> {
    await this.#find(engine)?.uninstall()
  }

  #find(engine: EngineLike): Installation | undefined {
    const adapter = engine.getAdapter('ssh')
    return adapter === undefined ? undefined : this.#installations.get(adapter)
  }

  #installNew(engine: EngineLike, config: InstallConfig): Installation {
    const { docker: dockerConfig, kubernetes: kubernetesConfig, ...sshConfig } = config
    const adapter = new SSHAdapter({ ...engineDefaults(engine, 'ssh'), ...sshConfig }, {
      shapes: this.#shapes.ssh,
      // The program's shared pool, so that SSHConnectionPool.getInstance() shows what `$.ssh` does.
      pool: SSHConnectionPool.getInstance(),
    })
    const docker = this.#docker({ ...engineDefaults(engine, 'docker'), ...dockerConfig })
    const kubernetes = new KubernetesAdapter({ ...engineDefaults(engine, 'kubernetes'), ...kubernetesConfig }, {
      shapes: this.#shapes.kubernetes, pool: KubernetesConnectionPool.getInstance(),
    })
    const previous = INSTALLED.map((name) => [name, engine.getAdapter(name)] as const)
    const ours = { ssh: adapter, docker, kubernetes }
    const uninstall = async (): Promise<void> => {
      for (const [name, before] of previous) {
        if (engine.getAdapter(name) === ours[name] && before !== undefined) engine.registerAdapter(name, before)
      }
      await Promise.all([adapter.dispose(), docker.dispose(), kubernetes.dispose()])
    }
    for (const name of INSTALLED) engine.registerAdapter(name, ours[name])
    const installation: Installation = { adapter, docker, kubernetes, uninstall }
    this.#installations.set(adapter, installation)
    this.#configs.set(installation, config)
    return installation
  }

  /** Over the program's shared pool, unless another daemon is meant than the CLI's. */
  #docker(config: DockerAdapterConfig): DockerAdapter {
    const shapes = this.#shapes.docker
    return new DockerAdapter(config, daemonHost(config) === undefined ? { shapes, pool: DockerConnectionPool.getInstance() } : { shapes })
  }
}

/** An engine gives its defaults to its own adapters only when it makes them, so they are read from it here. */
const INHERITED = ['defaultTimeout', 'encoding', 'maxBuffer', 'throwOnNonZeroExit'] as const

function engineDefaults(engine: EngineLike, name: typeof INSTALLED[number]): object {
  const config: Record<string, unknown> = { ...engine.config.get() }
  const inherited = Object.fromEntries(INHERITED.map((option) => [option, config[option]]))
  const sections: Record<string, unknown> = { ...asObject(config['adapters']) }
  return { ...inherited, ...asObject(sections[name]) }
}

const asObject = (value: unknown): object => (typeof value === 'object' && value !== null ? value : {})
