import { InvalidUsageError, NotFoundError, TimeoutExceededError, XecNativeError } from '../errors'
import { onAbort } from '../on-abort'
import { lines } from '../process/lines'
import type { PodListOptions, PodInfo, WaitForPodOptions } from '../types'
import type { KubernetesContext } from './context'

/** How long one watch goes on before it is asked for again, in seconds. */
const WATCH = 240
/** Before a watch that broke is asked for again, in milliseconds. */
const PAUSE = 500
/** The most pods of one answer. */
const PAGE = 500

interface PodObject {
  metadata: {
    name: string; namespace: string; resourceVersion?: string; labels?: Record<string, string>; annotations?: Record<string, string>
    deletionTimestamp?: string; creationTimestamp?: string
  }
  spec?: { nodeName?: string; containers?: { name: string; ports?: { name?: string; containerPort: number }[] }[] }
  status?: {
    phase?: string; podIP?: string; conditions?: { type: string; status: string }[]
    containerStatuses?: { name: string; ready: boolean; restartCount: number }[]
  }
}

export const podsPath = (namespace: string): string => `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`

/** Pages are asked for one after the other. */
export async function listPods(context: KubernetesContext, options: PodListOptions): Promise<PodInfo[]> {
  const { namespace = context.namespace, allNamespaces = false, selector, fieldSelector, signal } = options
  const found: PodInfo[] = []
  let next: string | undefined
  do {
    const list = await object(context, allNamespaces ? '/api/v1/pods' : podsPath(namespace), {
      labelSelector: selector === undefined ? undefined : bare(selector), fieldSelector, limit: PAGE, continue: next,
    }, signal) as { items?: PodObject[]; metadata?: { continue?: string } }
    found.push(...(list.items ?? []).map(podInfo))
    next = list.metadata?.continue === '' ? undefined : list.metadata?.continue
  } while (next !== undefined)
  return found
}

export async function getPod(context: KubernetesContext, pod: string, options: { namespace?: string; signal?: AbortSignal }): Promise<PodInfo> {
  const { namespace = context.namespace, signal } = options
  return podInfo(await object(context, `${podsPath(namespace)}/${pod}`, {}, signal) as PodObject)
}

/** The first ready pod that labels select, else the first that runs. */
export async function findPod(context: KubernetesContext, selector: string, options: { namespace?: string; signal?: AbortSignal | undefined }): Promise<string> {
  const { namespace = context.namespace, signal } = options
  const found = (await listPods(context, { namespace, selector, ...(signal === undefined ? {} : { signal }) })).filter((pod) => !pod.terminating)
  const pod = found.find(({ ready, phase }) => ready && phase === 'Running') ?? found.find(({ phase }) => phase === 'Running')
  if (pod !== undefined) return pod.name
  if (found.length === 0) {
    throw new NotFoundError({
      code: 'ENOPOD', kind: 'not-found', phase: 'open-channel', host: context.host, reached: false,
      message: `No pod in namespace ${namespace} matches '${bare(selector)}'`,
    })
  }
  throw notRunning(context, `None of the ${found.length} pods in namespace ${namespace} that match '${bare(selector)}' runs`)
}

export async function waitForPod(context: KubernetesContext, pod: string, options: WaitForPodOptions): Promise<PodInfo | undefined> {
  const { namespace = context.namespace, for: wanted = 'ready', timeout = 60_000, signal } = options
  const stop = new AbortController()
  const timer = timeout === 0 ? undefined : setTimeout(() => { stop.abort(timedOut) }, timeout)
  const timedOut = new TimeoutExceededError({
    code: 'ETIMEDOUT', kind: 'timeout', phase: 'run', host: context.host, limit: timeout,
    message: `Pod ${pod} in namespace ${namespace} was not ${wanted} within ${timeout} ms`,
  })
  const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  try {
    return await until(context, { namespace, pod, wanted, signal: both })
  } catch (error) {
    if (stop.signal.aborted) throw timedOut
    throw error
  } finally {
    clearTimeout(timer)
    stop.abort()
  }
}

interface Waiting {
  namespace: string
  pod: string
  wanted: NonNullable<WaitForPodOptions['for']>
  signal: AbortSignal
}

/** Looks, then watches from what it has seen; a watch ends from time to time, which is no failure. */
async function until(context: KubernetesContext, waiting: Waiting): Promise<PodInfo | undefined> {
  const { namespace, pod, wanted, signal } = waiting
  const query = { fieldSelector: `metadata.name=${pod}` }
  for (;;) {
    const list = await object(context, podsPath(namespace), query, signal) as { items?: PodObject[]; metadata?: { resourceVersion?: string } }
    const [seen] = list.items ?? []
    if (holds(context, seen, wanted)) return seen === undefined ? undefined : podInfo(seen)
    const seenLater = await watched(context, waiting, list.metadata?.resourceVersion)
    if (seenLater !== undefined) return seenLater.pod
    await pause(signal)
  }
}

/** What was waited for; undefined where the watch has ended before. */
async function watched(
  context: KubernetesContext, { namespace, pod, wanted, signal }: Waiting, resourceVersion: string | undefined,
): Promise<{ pod: PodInfo | undefined } | undefined> {
  const exchange = context.exchange('GET', podsPath(namespace), {
    query: { fieldSelector: `metadata.name=${pod}`, watch: true, resourceVersion, timeoutSeconds: WATCH }, signal,
  })
  try {
    for await (const line of lines(exchange.stdout, 'utf8')) {
      const event = JSON.parse(line) as { type: string; object: PodObject }
      // The server no longer knows what we have seen last: then it is asked anew.
      if (event.type === 'ERROR') return undefined
      const now = event.type === 'DELETED' ? undefined : event.object
      if (event.object.metadata.name === pod && holds(context, now, wanted)) return { pod: now === undefined ? undefined : podInfo(now) }
    }
  } catch (error) {
    if (signal.aborted || !(error instanceof XecNativeError) || error.kind !== 'connection-lost') throw error
  } finally {
    exchange.cancel()
  }
  return undefined
}

function holds(context: KubernetesContext, pod: PodObject | undefined, wanted: Waiting['wanted']): boolean {
  if (wanted === 'deleted') return pod === undefined
  if (pod === undefined) return false
  const { phase, ready } = podInfo(pod)
  if (wanted === 'succeeded' && phase === 'Failed') throw notRunning(context, `Pod ${pod.metadata.name} has failed`)
  if (wanted !== 'succeeded' && (phase === 'Succeeded' || phase === 'Failed')) throw notRunning(context, `Pod ${pod.metadata.name} has ended: ${phase}`)
  return wanted === 'ready' ? ready : phase === (wanted === 'running' ? 'Running' : 'Succeeded')
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      unlink()
      resolve()
    }
    const timer = setTimeout(done, PAUSE)
    const unlink = onAbort(signal, done)
  })
}

/** `kubectl` takes `-l app=web`, and so do we. */
const bare = (selector: string): string => selector.replace(/^-l[= ]?\s*/, '')

export async function object(context: KubernetesContext, path: string, query: Record<string, unknown>, signal: AbortSignal | undefined): Promise<unknown> {
  const { body } = await context.request('GET', path, { query, ...(signal === undefined ? {} : { signal }) })
  return JSON.parse(body.toString())
}

function podInfo(pod: PodObject): PodInfo {
  const { metadata, spec = {}, status = {} } = pod
  const { containerStatuses = [], conditions = [], phase = 'Unknown' } = status
  return {
    name: metadata.name,
    namespace: metadata.namespace,
    phase,
    ready: metadata.deletionTimestamp === undefined && conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
    containers: (spec.containers ?? []).map(({ name }) => name),
    restarts: containerStatuses.reduce((sum, { restartCount }) => sum + restartCount, 0),
    labels: metadata.labels ?? {},
    ...(spec.nodeName === undefined ? {} : { node: spec.nodeName }),
    ...(status.podIP === undefined ? {} : { ip: status.podIP }),
    terminating: metadata.deletionTimestamp !== undefined,
    ...(metadata.creationTimestamp === undefined ? {} : { created: new Date(metadata.creationTimestamp) }),
    raw: pod as unknown as Record<string, unknown>,
  }
}

function notRunning(context: KubernetesContext, message: string): InvalidUsageError {
  return new InvalidUsageError({ code: 'ENOTRUNNING', kind: 'invalid-usage', phase: 'open-channel', host: context.host, reached: false, message })
}
