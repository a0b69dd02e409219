import { EventHub } from '../../events'
import { InvalidOptionError } from '../../errors'
import type { KubernetesContext } from '../../kube'
import { shape } from '../../options/schema'
import type { Belongings } from './belongings'
import { type CopyFilesOptions, copyFiles, copyRequest } from './copy'
import type { KubernetesAdapterEvents } from './events'
import type { Topic } from './failures'
import { type KubernetesLogOptions, type LogStream, checkLogs, streamLogs } from './logs'
import { KubernetesPortForward, type PortForwardOptions, checkPortForward, forwardRequest } from './port-forward'
import { parseSelector } from './subject'
import { json } from './workload'
import { type Where, checkName, whereFields } from './where'

/** Which pods, and where. */
export interface ListPodsOptions extends Where {
  /** 'app=web', with or without '-l'; all by default */
  selector?: string
}

const checkList = shape({ ...whereFields, selector: parseSelector })

/** Milliseconds; 0 = no limit */
export interface Limits {
  kubectlTimeout: number
  transferTimeout: number
}

/** What the adapter does besides running commands: @xec-sh/core's methods, over the API. */
export abstract class KubernetesOperations extends EventHub<KubernetesAdapterEvents> {
  protected readonly belongings: Belongings

  constructor(belongings: Belongings) {
    super()
    this.belongings = belongings
  }

  /** Forwards that were made and are not closed. */
  get portForwards(): ReadonlySet<KubernetesPortForward> {
    return this.belongings.forwards
  }

  /** The names of pods. */
  listPods(options?: ListPodsOptions): Promise<string[]> {
    return this.operation({ operation: 'listPods', namespace: options?.namespace }, async () => {
      const { selector, ...where } = options === undefined ? {} : checkList(options, '')
      return this.#names(this.clientAt(where), selector)
    })
  }

  /** The first ready pod that a selector ('app=web' or '-l app=web') chooses, else the first; null where there is none. */
  getPodFromSelector(selector: string, namespace?: string): Promise<string | null> {
    return this.operation({ operation: 'getPodFromSelector', namespace }, async () => {
      const client = this.clientIn(namespace)
      const found = await podsOf(client, parseSelector(selector, 'selector'), this.limits.kubectlTimeout)
      return (found.find(isReady) ?? found[0])?.metadata.name ?? null
    })
  }

  /** Is its condition 'Ready' true? false for a pod that does not exist. */
  isPodReady(pod: string, namespace?: string): Promise<boolean> {
    return this.operation({ operation: 'isPodReady', pod, namespace }, async () => {
      const client = this.clientIn(namespace)
      const path = `/api/v1/namespaces/${encodeURIComponent(client.namespace)}/pods/${checkName(pod, 'pod')}`
      try {
        const { body } = await client.request('GET', path, { timeout: this.limits.kubectlTimeout })
        return isReady(json(body) as PodObject)
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOPOD') return false
        throw error
      }
    })
  }

  /**
   * Copies a file or a tree by `tar` in the container, by `kubectl cp`'s rules for names. The path in the pod is `POD:PATH` or
   * `NAMESPACE/POD:PATH`; what leads out of a local destination is refused.
   */
  copyFiles(source: string, destination: string, options: CopyFilesOptions): Promise<void> {
    return this.operation({ operation: 'copyFiles', namespace: optionIn(options, 'namespace'), container: optionIn(options, 'container') }, async () => {
      const request = copyRequest(source, destination, options)
      await copyFiles(this.clientIn(request.remote.namespace), request, request.timeout ?? this.limits.transferTimeout)
    })
  }

  /** A forward to a pod, or to TYPE/NAME. It listens once it is opened; `dispose()` closes it if nobody has. */
  portForward(pod: string, localPort: number, remotePort: number, options?: PortForwardOptions): Promise<KubernetesPortForward> {
    const topic = { operation: 'portForward', pod, namespace: optionIn(options, 'namespace') }
    return this.operation(topic, () => {
      const checked = options === undefined ? {} : checkPortForward(options, '')
      const request = forwardRequest(pod, localPort, remotePort, checked)
      const forward: KubernetesPortForward = new KubernetesPortForward(this.clientIn(checked.namespace), request, {
        translate: (error) => this.failure(error, topic),
        closed: () => { this.belongings.forwards.delete(forward) },
      })
      this.belongings.forwards.add(forward)
      return Promise.resolve(forward)
    })
  }

  /** Gives each line, whole and with its end. Resolves when the logs begin to come; what goes wrong later is told by `done` and `onError`. */
  streamLogs(pod: string, onData: (line: string) => void, options?: KubernetesLogOptions): Promise<LogStream> {
    const topic = { operation: 'streamLogs', pod, namespace: optionIn(options, 'namespace'), container: optionIn(options, 'container') }
    return this.operation(topic, async () => {
      if (typeof onData !== 'function') throw new InvalidOptionError('onData', 'expected a function')
      const checked = options === undefined ? {} : checkLogs(options, '')
      const stream = await streamLogs(this.clientIn(checked.namespace), checkName(pod, 'pod'), onData, checked, (error) => this.failure(error, topic))
      this.belongings.keep(stream)
      return stream
    })
  }

  protected clientIn(namespace: string | undefined): KubernetesContext {
    return this.clientAt(namespace === undefined ? {} : { namespace: checkName(namespace, 'namespace') })
  }

  /** What is absent is the adapter's own. */
  protected abstract clientAt(where: Where): KubernetesContext
  protected abstract get limits(): Limits
  /** Runs work, and makes core's errors of what it rejects with. */
  protected abstract operation<T>(topic: Topic, work: () => Promise<T>): Promise<T>
  protected abstract failure(error: unknown, topic: Topic): Error

  async #names(client: KubernetesContext, selector: string | undefined): Promise<string[]> {
    return (await podsOf(client, selector, this.limits.kubectlTimeout)).map(({ metadata }) => metadata.name)
  }
}

interface PodObject {
  metadata: { name: string; deletionTimestamp?: string }
  status?: { conditions?: { type: string; status: string }[] }
}

const isReady = ({ metadata, status }: PodObject): boolean =>
  metadata.deletionTimestamp === undefined && status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true

async function podsOf(client: KubernetesContext, selector: string | undefined, timeout: number): Promise<PodObject[]> {
  const path = `/api/v1/namespaces/${encodeURIComponent(client.namespace)}/pods`
  const { body } = await client.request('GET', path, { timeout, ...(selector === undefined ? {} : { query: { labelSelector: selector } }) })
  return (json(body) as { items: PodObject[] }).items
}

/** For the error about options that are refused later, by their names. */
function optionIn(options: unknown, name: string): string | undefined {
  const given: unknown = typeof options === 'object' && options !== null ? Reflect.get(options, name) : undefined
  return typeof given === 'string' ? given : undefined
}
