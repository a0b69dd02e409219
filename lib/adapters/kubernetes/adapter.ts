import { InvalidOptionError, XecNativeError } from '../../errors'
import type { KubernetesConnectionPool, KubernetesContext } from '../../kube'
import type { Mask } from '../../masking'
import { boolean, duration } from '../../options/checks'
import { shape } from '../../options/schema'
import type { AdapterCommand } from '../ssh/command'
import type { ExecutionResult, ResultFields } from '../ssh/execution-result'
import { cutShortFields, endedFields, maskPartialOutput, partialFields } from '../ssh/outcome'
import { type KubernetesCall, newKubernetesCall } from './call'
import { Belongings } from './belongings'
import { Clusters } from './clusters'
import { hasPod } from './command'
import {
  DEFAULT_KUBERNETES_CONFIG, type KubernetesAdapterConfig, type ResolvedKubernetesConfig, checkKubernetesConfig, mergeKubernetesConfig,
} from './config'
import { stamp } from './events'
import { execInPod } from './executor'
import { NOT_BEGUN, type Topic, commandFailure, kubernetesFailure } from './failures'
import { type KubectlResult, type Performed, perform } from './kubectl/perform'
import { planOf } from './kubectl/plan'
import { spawnKubectl } from './kubectl/spawn'
import { KubernetesOperations, type Limits } from './operations'
import { type KubernetesShapes, nativeKubernetesShapes } from './shapes'
import { type Where, checkWhere, whereOf } from './where'

/** For `@xec-sh/native/xec`. */
export interface KubernetesAdapterInternals {
  shapes?: KubernetesShapes
  /** A pool shared with others, whose life is not this adapter's business. */
  pool?: KubernetesConnectionPool
  /** Of the adapter that this one is made from. */
  clusters?: Clusters
  belongings?: Belongings
}

export interface ExecuteKubectlOptions {
  /** Milliseconds; the adapter's `kubectlTimeout` by default; 0 = no limit */
  timeout?: number
  /** false */
  throwOnNonZeroExit?: boolean
}

const checkExecute = shape({ timeout: duration, throwOnNonZeroExit: boolean })

/** Runs commands in pods, and does what goes with them, in the way @xec-sh/core asks of an adapter. Works without core as well. */
export class KubernetesAdapter extends KubernetesOperations implements AsyncDisposable {
  readonly name: string = 'kubernetes'
  readonly adapterName: string = 'kubernetes'
  readonly #shapes: KubernetesShapes
  readonly #clusters: Clusters
  #config: ResolvedKubernetesConfig
  #mask: Mask

  constructor(config: KubernetesAdapterConfig = {}, internals: KubernetesAdapterInternals = {}) {
    super(internals.belongings ?? new Belongings())
    this.#config = mergeKubernetesConfig(DEFAULT_KUBERNETES_CONFIG, checkKubernetesConfig(config, ''))
    this.#shapes = internals.shapes ?? nativeKubernetesShapes
    this.#mask = this.#shapes.createMask(this.#config.sensitiveDataMasking)
    this.#clusters = internals.clusters ?? new Clusters(internals.pool)
  }

  /**
   * Runs a command in a pod. An exit code other than 0 rejects, unless `nothrow` or the configuration says otherwise, or a promise of
   * core will judge the result itself.
   */
  async execute(command: AdapterCommand): Promise<ExecutionResult> {
    const result = this.#shapes.result(await this.#run(this.#prepare(command)))
    if (this.#throws(command)) result.throwIfFailed()
    return result
  }

  /**
   * Does what a kubectl command line says. `logs`, `exec`, `cp` and `get` of the usual kinds as names, JSON or JSONPath go over the
   * API; for everything else the real kubectl is started. Both with the adapter's kubeconfig, context and namespace.
   */
  executeKubectl(args: readonly string[], options?: ExecuteKubectlOptions): Promise<KubectlResult> {
    const topic = { operation: 'kubectl' }
    return this.operation(topic, async () => {
      const words = checkWords(args)
      const { timeout = this.#config.kubectlTimeout, throwOnNonZeroExit = false } = options === undefined ? {} : checkExecute(options, '')
      const { error, ...result } = await this.#kubectl(words, timeout)
      if (throwOnNonZeroExit && result.exitCode !== 0) throw this.#exited(result, error, topic)
      return result
    })
  }

  /** Does the API server answer, and does it know us? */
  async isAvailable(): Promise<boolean> {
    try {
      await this.clientAt({}).request('GET', '/version', { timeout: this.limits.kubectlTimeout })
      return true
    } catch {
      return false
    }
  }

  /**
   * The same adapter for another cluster, user or namespace. It shares connections with this one, whose `dispose()` ends its forwards
   * and log streams as well.
   */
  at(where: Where): KubernetesAdapter {
    const config = { ...this.#config, ...checkWhere(where, '') }
    return new KubernetesAdapter(config, { shapes: this.#shapes, clusters: this.#clusters, belongings: this.belongings })
  }

  /** Changes some of the configuration; running commands keep what they were started with. */
  updateConfig(config: KubernetesAdapterConfig): void {
    this.#config = mergeKubernetesConfig(this.#config, checkKubernetesConfig(config, ''))
    this.#mask = this.#shapes.createMask(this.#config.sensitiveDataMasking)
  }

  getConfig(): Readonly<KubernetesAdapterConfig> {
    return { ...this.#config }
  }

  /** Closes forwards, ends log streams and closes the connections. The adapter can be used again and then opens new ones. */
  async dispose(): Promise<void> {
    await this.belongings.end()
    await this.#clusters.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  protected override listenersChanged(): void {
    // Its events are made whether anybody listens or not.
  }

  protected override clientAt(where: Where): KubernetesContext {
    return this.#clusters.at(whereOf(where, this.#config))
  }

  protected override get limits(): Limits {
    return this.#config
  }

  protected override async operation<T>(topic: Topic, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw error instanceof XecNativeError ? this.failure(error, topic) : error
    }
  }

  protected override failure(error: unknown, topic: Topic): Error {
    return kubernetesFailure(error, topic, this.#shapes)
  }

  #prepare(command: AdapterCommand): KubernetesCall {
    try {
      if (!hasPod(command)) throw new InvalidOptionError('pod', 'Pod name or selector is required')
      return newKubernetesCall(command, this.#config, this.#mask)
    } catch (error) {
      throw this.failure(error, { operation: 'execute' })
    }
  }

  async #run(call: KubernetesCall): Promise<ResultFields> {
    const { place: { pod, where, container }, failed } = call
    const topic: Topic = { operation: 'execute', pod, namespace: where.namespace, container }
    try {
      const client = this.clientAt(where)
      this.emitSafely('k8s:exec', {
        ...stamp(), pod, namespace: client.namespace, ...(container === undefined ? {} : { container }), command: failed.command,
      })
      return endedFields(call, await execInPod(client, call))
    } catch (error) {
      const cutShort = cutShortFields(call, error) ?? notBegunFields(call, error)
      if (cutShort !== undefined) return cutShort
      maskPartialOutput(error, call.mask)
      throw commandFailure(error, failed, topic, this.#shapes)
    }
  }

  async #kubectl(args: string[], timeout: number): Promise<Performed> {
    const { transferTimeout, maxBuffer, kubectlPath: program } = this.#config
    const plan = planOf(args)
    if (plan === undefined) return spawnKubectl([...globalFlags(this.#config), ...args], { program, timeout, maxBuffer })
    return perform(plan, { client: this.clientAt(plan.where), timeout, transferTimeout, maxBuffer })
  }

  #exited({ stderr, exitCode }: KubectlResult, error: XecNativeError | undefined, topic: Topic): Error {
    const message = `kubectl command failed with exit code ${exitCode}: ${this.#mask(stderr).trim()}`
    const { kind = 'command-failed' } = error ?? {}
    return this.#shapes.kubernetesError({ ...topic, message, kind, cause: error ?? new Error(message) })
  }

  #throws(command: AdapterCommand): boolean {
    if (command.__fromProcessPromise === true) return false
    if (command.nothrow !== undefined) return !command.nothrow
    return command.throwOnNonZeroExit ?? this.#config.throwOnNonZeroExit
  }
}

/** With `nothrow`, a command that could not even begin is a result. */
function notBegunFields(call: KubernetesCall, error: unknown): ResultFields | undefined {
  if (call.command.nothrow !== true || !(error instanceof XecNativeError) || !NOT_BEGUN.has(error.code)) return undefined
  return partialFields(call, error, 1)
}

/** Before the command line's own, which win. */
function globalFlags({ kubeconfig, context, cluster, user, namespace }: ResolvedKubernetesConfig): string[] {
  return Object.entries({ kubeconfig, context, cluster, user, namespace }).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]))
}

function checkWords(args: unknown): string[] {
  if (Array.isArray(args) && args.length > 0 && args.every((word) => typeof word === 'string' && !word.includes('\0'))) return [...args as string[]]
  throw new InvalidOptionError('args', 'expected kubectl\'s arguments as an array of strings')
}
