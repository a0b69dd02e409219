import type { DockerExchange as Exchange } from '../docker/exchange'
import { XecNativeError } from '../errors'
import type { CheckedLogs } from '../options'
import { lines } from '../process/lines'
import type { KubernetesContext } from './context'
import { hasEnded, runningId } from './log-end'
import { getPod, podsPath } from './pods'

type Options = CheckedLogs & { follow?: boolean }

/** All of it, as one text. */
export async function logText(context: KubernetesContext, pod: string, options: CheckedLogs): Promise<string> {
  if (options.allContainers !== true) return oneText(context, pod, options)
  const texts: string[] = []
  for (const container of await containersOf(context, pod, options)) {
    const text = await oneText(context, pod, { ...options, container })
    texts.push(text.replace(/^(?!$)/gm, `[${container}] `))
  }
  return texts.join('')
}

/** Which container is meant is asked only where the server says that it must be named. */
async function oneText(context: KubernetesContext, pod: string, options: CheckedLogs): Promise<string> {
  const { signal, query, path } = call(context, pod, options)
  try {
    const { body } = await context.request('GET', path, { query, ...(signal === undefined ? {} : { signal }) })
    return body.toString()
  } catch (error) {
    if (options.container !== undefined || !wantsContainer(error)) throw error
    return oneText(context, pod, await withContainer(context, pod, options))
  }
}

function wantsContainer(error: unknown): boolean {
  return error instanceof XecNativeError && error.code === 'ENOCONTAINER' && error.message.includes('container name must be specified')
}

/** One container's logs. */
interface Source {
  /** What its lines begin with. */
  prefix: string | undefined
  exchange: Exchange
  /** Rejects where the container has not ended. */
  ended: () => Promise<void>
}

/** Whole lines of a container's logs, or of all containers', as they come. They are to be iterated over once. */
export class PodLogs implements AsyncIterable<string>, AsyncDisposable {
  /** Resolves when the logs begin to come; rejects when they are refused. */
  readonly started: Promise<void>
  readonly #sources: Promise<Source[]>
  #open: Exchange[] = []
  readonly #stopping = new AbortController()

  /** @internal */
  constructor(context: KubernetesContext, pod: () => Promise<string>, options: Options) {
    this.#sources = this.#start(context, pod, options)
    this.started = this.#sources.then(async (sources) => {
      await Promise.all(sources.map(({ exchange }) => exchange.head))
    })
    // Whoever iterates learns it as well.
    this.started.catch(() => undefined)
  }

  /** Ends it: no line is given any more. */
  stop(): void {
    this.#stopping.abort()
    for (const exchange of this.#open) exchange.cancel()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop()
    await Promise.all(this.#open.map((exchange) => exchange.done.catch(() => undefined)))
  }

  async* [Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    try {
      await this.started
      const sources = await this.#sources
      const [first] = sources
      if (sources.length === 1 && first !== undefined) yield* this.#linesOf(first)
      else yield* merged(sources.map((source) => this.#linesOf(source)))
    } catch (error) {
      if (!this.#stopping.signal.aborted) throw error
    } finally {
      this.stop()
    }
  }

  async* #linesOf({ prefix, exchange, ended }: Source): AsyncGenerator<string, void, undefined> {
    if (prefix === undefined) yield* lines(exchange.stdout, 'utf8')
    else for await (const line of lines(exchange.stdout, 'utf8')) yield `[${prefix}] ${line}`
    await ended()
  }

  async #start(context: KubernetesContext, pod: () => Promise<string>, options: Options): Promise<Source[]> {
    const name = await pod()
    const chosen: [string | undefined, Options][] = options.allContainers === true
      ? (await containersOf(context, name, options)).map((container) => [container, { ...options, container }])
      : [[undefined, await withContainer(context, name, options)]]
    const sources = chosen.map(([prefix, one]): Source => {
      const { signal, query, path } = call(context, name, one)
      const exchange = context.exchange('GET', path, { query, ...(signal === undefined ? {} : { signal }) })
      return { prefix, exchange, ended: ending(context, name, one, { exchange, stopping: this.#stopping.signal }) }
    })
    this.#open = sources.map(({ exchange }) => exchange)
    if (this.#stopping.signal.aborted) this.stop()
    return sources
  }
}

/** Each container at its own pace. */
async function* merged(sources: AsyncGenerator<string, void, undefined>[]): AsyncGenerator<string, void, undefined> {
  const waiting = new Map(sources.map((source) => [source, source.next().then((result) => ({ source, result }))]))
  while (waiting.size > 0) {
    const { source, result } = await Promise.race(waiting.values())
    if (result.done === true) {
      waiting.delete(source)
    } else {
      waiting.set(source, source.next().then((next) => ({ source, result: next })))
      yield result.value
    }
  }
}

/** What is asked at the end of logs. Where they are cut by the caller's own wish, nothing. */
function ending(
  context: KubernetesContext, pod: string, options: Options, { exchange, stopping }: { exchange: Exchange; stopping: AbortSignal },
): () => Promise<void> {
  const { namespace = context.namespace, container, follow = false, previous = false, limitBytes, signal } = options
  if (!follow || previous || limitBytes !== undefined || container === undefined) return () => Promise.resolve()
  const whom = { pod, container, namespace }
  // Who may read logs may perhaps not look at pods.
  const stopped = signal === undefined ? stopping : AbortSignal.any([signal, stopping])
  const id = exchange.head.then(() => runningId(context, whom, stopped)).catch(() => undefined)
  return async () => {
    if (!stopped.aborted) await hasEnded(context, { ...whom, id: await id }, stopped)
  }
}

async function containersOf(context: KubernetesContext, pod: string, { namespace, signal }: CheckedLogs): Promise<string[]> {
  const { containers } = await getPod(context, pod, { ...(namespace === undefined ? {} : { namespace }), ...(signal === undefined ? {} : { signal }) })
  return containers
}

const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container'

/** The server wants a name where a pod has several containers, and does not look at the annotation. */
async function withContainer<T extends CheckedLogs>(context: KubernetesContext, pod: string, options: T): Promise<T> {
  if (options.container !== undefined) return options
  const { namespace, signal } = options
  const { containers, raw } = await getPod(context, pod, { ...(namespace === undefined ? {} : { namespace }), ...(signal === undefined ? {} : { signal }) })
  const { metadata: { annotations } } = raw as { metadata: { annotations?: Record<string, string> } }
  const annotated = annotations?.[DEFAULT_CONTAINER]
  const container = annotated !== undefined && containers.includes(annotated) ? annotated : containers[0]
  return container === undefined ? options : { ...options, container }
}

function call(context: KubernetesContext, pod: string, options: Options): { path: string; query: Record<string, unknown>; signal: AbortSignal | undefined } {
  const { namespace = context.namespace, container, tail, since, sinceTime, previous, timestamps, limitBytes, follow, signal } = options
  const flag = (on: boolean | undefined): true | undefined => (on === true ? true : undefined)
  return {
    path: `${podsPath(namespace)}/${pod}/log`,
    query: {
      container, tailLines: tail, sinceSeconds: since, sinceTime, previous: flag(previous), timestamps: flag(timestamps), limitBytes, follow: flag(follow),
    },
    signal,
  }
}
