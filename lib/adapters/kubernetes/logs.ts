import { InvalidOptionError, XecNativeError } from '../../errors'
import type { KubernetesContext } from '../../kube'
import { boolean, integer, nonEmptyText } from '../../options/checks'
import { onAbort } from '../../on-abort'
import { signal } from '../../options/exec'
import { type Check, shape } from '../../options/schema'
import { checkName } from './where'

export interface KubernetesLogOptions {
  namespace?: string
  /** The pod's default or only one by default. */
  container?: string
  /** false */
  follow?: boolean
  /** Lines from the end; all by default */
  tail?: number
  /** What the container's run before this one said. */
  previous?: boolean
  /** Each line begins with its time. */
  timestamps?: boolean
  /** Seconds back from now. */
  since?: number
  /** RFC 3339 */
  sinceTime?: string
  /** Ends it, as `stop()` does. */
  signal?: AbortSignal
  /** Told when the stream breaks after it has begun, as `done` rejects. */
  onError?: (error: Error) => void
}

/** What `streamLogs` resolves with, once the logs have begun to come. */
export interface LogStream {
  /** No line is given any more. Calling it again does nothing. */
  stop: () => void
  /** Resolves at the end of the logs or after `stop()`, rejects when they were cut short. */
  done: Promise<void>
}

const onError: Check<(error: Error) => void> = (value, option) => {
  if (typeof value !== 'function') throw new InvalidOptionError(option, 'expected a function')
  return value as (error: Error) => void
}

export const checkLogs = shape({
  namespace: checkName, container: checkName, follow: boolean, tail: integer(0, Number.MAX_SAFE_INTEGER), previous: boolean, timestamps: boolean,
  since: integer(1, Number.MAX_SAFE_INTEGER), sinceTime: nonEmptyText, signal, onError,
})

export type CheckedLogs = ReturnType<typeof checkLogs>

/** What makes of errors those that callers know. */
export type Translate = (error: unknown) => Error

/** Gives each line of a pod's logs, whole and with its end, as it comes. */
export async function streamLogs(
  client: KubernetesContext, pod: string, onData: (line: string) => void, options: CheckedLogs, translate: Translate,
): Promise<LogStream> {
  const { follow = false, onError: tell, signal: stopping, ...rest } = options
  const source = client.followLogs(pod, { ...rest, follow })
  const state = { stopped: false }
  const stop = (): void => {
    state.stopped = true
    source.stop()
  }
  const unlink = stopping === undefined ? undefined : onAbort(stopping, stop)
  if (stopping?.aborted === true) stop()
  try {
    await source.started
  } catch (error) {
    unlink?.()
    throw error
  }
  const done = eachLine(source, onData, state).catch((error: unknown) => {
    source.stop()
    if (!state.stopped || !(error instanceof XecNativeError)) throw translate(error)
  }).finally(() => { unlink?.() })
  // Whoever wants to know asks `done` or `onError`; nobody asking must not end the program.
  done.catch((error: unknown) => { tell?.(error as Error) })
  return { stop, done }
}

async function eachLine(lines: AsyncIterable<string>, onData: (line: string) => void, state: { stopped: boolean }): Promise<void> {
  for await (const line of lines) {
    if (state.stopped) return
    onData(`${line}\n`)
  }
}
