import { delimiter } from 'node:path'
import { type HostSettings, NativeKubeTarget } from '../binding'
import { errorFromFailure } from '../errors'
import type { CheckedKubernetesContext } from '../options'

/** Files are read again after this many milliseconds: tokens and contexts in them change. */
const FRESH = 5_000

/** Clusters by what they are chosen by, so that their files are not read for every command. */
export class Targets {
  readonly #known = new Map<string, { target: NativeKubeTarget; since: number }>()
  readonly #settings: HostSettings
  readonly #timeout: number

  constructor(settings: HostSettings, timeout: number) {
    this.#settings = settings
    this.#timeout = timeout
  }

  /** Throws EKUBECONFIG where the files do not say where the cluster is. */
  find(options: CheckedKubernetesContext): NativeKubeTarget {
    // Which file KUBECONFIG names is looked up when it is used.
    const key = JSON.stringify([options, options.kubeconfig === undefined ? environment() : undefined])
    const known = this.#known.get(key)
    const now = performance.now()
    if (known !== undefined && now - known.since < FRESH) return known.target
    const target = this.#load(options)
    this.#known.set(key, { target, since: now })
    return target
  }

  #load(options: CheckedKubernetesContext): NativeKubeTarget {
    // The engine reads the environment of the process, which a worker's `process.env` may not be.
    const kubeconfig = options.kubeconfig ?? fromEnvironment()
    const { target, failure } = NativeKubeTarget.load({ ...options, kubeconfig, timeout: this.#timeout, settings: this.#settings })
    if (failure !== undefined) throw errorFromFailure(failure)
    if (target === undefined) throw new TypeError('the engine answered with neither target nor failure')
    return target
  }
}

function environment(): string | undefined {
  const { KUBECONFIG } = process.env
  return KUBECONFIG
}

function fromEnvironment(): string[] | undefined {
  const files = environment()?.split(delimiter).filter((file) => file !== '') ?? []
  return files.length === 0 ? undefined : files
}
