import { XecNativeError } from '../../errors'
import { type FailedCommand, detailed, isCommandTimeout } from '../ssh/failures'
import type { KubernetesFailure, KubernetesShapes } from './shapes'

/** What an operation was about, for the error of it. */
export type Topic = Pick<KubernetesFailure, 'operation' | 'pod' | 'namespace' | 'container'>

/** The error of an operation in the classes of @xec-sh/core's contract. The engine's own is its cause. */
export function kubernetesFailure(error: unknown, topic: Topic, shapes: KubernetesShapes): Error {
  if (error instanceof XecNativeError) {
    return detailed(shapes.kubernetesError({ ...topic, message: error.message, kind: error.kind, cause: error }), error)
  }
  const cause = error instanceof Error ? error : new Error(String(error))
  return shapes.kubernetesError({ ...topic, message: cause.message, kind: 'unknown', cause })
}

/** As `kubernetesFailure`, for a command: its own time limit is core's TimeoutError. */
export function commandFailure(error: unknown, { command = 'execute', timeout = 0 }: FailedCommand, topic: Topic, shapes: KubernetesShapes): Error {
  if (!(error instanceof XecNativeError) || !isCommandTimeout(error, timeout)) return kubernetesFailure(error, topic, shapes)
  const limit = 'limit' in error && typeof error.limit === 'number' ? error.limit : timeout
  return detailed(shapes.timeoutError(command, limit, error), error)
}

/** With these nothing was begun in the pod, and with `nothrow` that is a result: 1, as kubectl ends with then. */
export const NOT_BEGUN: ReadonlySet<string> = new Set(['ENOPOD', 'ENONAMESPACE', 'ENOENT', 'ENOCONTAINER', 'ENOTRUNNING', 'EFORBIDDEN', 'EUNAUTHORIZED'])
