import { setTimeout as delay } from 'node:timers/promises'
import { ConnectionLostError, XecNativeError } from '../errors'
import type { KubernetesContext } from './context'
import { getPod } from './pods'

/** In which an API server learns that a container has ended, in milliseconds. */
const LEARNING = 10_000
const LOOK = 250

/** A container whose logs are followed. */
export interface Followed {
  pod: string
  container: string
  namespace: string
  /** Of the run that is followed; `undefined` where nobody may know it. */
  id: string | undefined
}

/**
 * Nodes end logs as if all were said when they themselves have failed, and say the same to whoever asks again. So their end is believed only
 * when the API server knows that the container has ended: resolves then, else rejects with what has happened. `stopped`: nobody wants to know any more.
 */
export async function hasEnded(context: KubernetesContext, followed: Followed, stopped: AbortSignal): Promise<void> {
  const { id, pod, container } = followed
  if (id === undefined) return
  let cause: unknown
  try {
    if (await isOver(context, followed, stopped)) return
  } catch (error) {
    if (stopped.aborted || isGone(error)) return
    cause = error
  }
  throw new ConnectionLostError({
    code: 'ECONNLOST', kind: 'connection-lost', phase: 'run', host: context.host, reached: true, cause,
    message: `The logs of container ${container} of pod ${pod} ended, and it has not: the node has cut them short`,
  })
}

/** It runs no more, or it is another run that does. */
async function isOver(context: KubernetesContext, followed: Followed, stopped: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + LEARNING
  do {
    if (await runningId(context, followed, stopped) !== followed.id) return true
    await delay(LOOK, undefined, { signal: stopped })
  } while (performance.now() < deadline)
  return false
}

interface Status {
  status?: { containerStatuses?: { name: string; containerID?: string; state?: { running?: object } }[] }
}

/** Which run of a container goes on, as far as the API server knows. */
export async function runningId(context: KubernetesContext, { pod, container, namespace }: Omit<Followed, 'id'>, signal: AbortSignal): Promise<string | undefined> {
  const { raw } = await getPod(context, pod, { namespace, signal })
  const { status: { containerStatuses = [] } = {} } = raw as Status
  const found = containerStatuses.find(({ name }) => name === container)
  return found?.state?.running === undefined ? undefined : found.containerID
}

/** There is no such pod any more. */
const isGone = (error: unknown): boolean => error instanceof XecNativeError && error.kind === 'not-found'
