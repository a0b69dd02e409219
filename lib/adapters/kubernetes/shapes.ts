import type { FailureKind } from '../../errors'
import { nameClass } from '../../errors/native-error'
import { AdapterError, ExecutionError } from '../ssh/execution-errors'
import { type Shapes, nativeShapes } from '../ssh/shapes'

/** What an operation was about. */
export interface KubernetesFailure {
  message: string
  operation: string
  pod?: string | undefined
  namespace?: string | undefined
  container?: string | undefined
  kind: FailureKind
  cause: Error
}

/** In the shape of @xec-sh/core's, for programs without it. */
export class KubernetesError extends ExecutionError {
  declare readonly pod?: string
  declare readonly namespace?: string
  declare readonly container?: string

  constructor({ message, operation, pod, namespace, container, kind, cause }: KubernetesFailure) {
    super(message, 'KUBERNETES_ERROR', kind, { pod, namespace, container, operation }, cause)
    if (pod !== undefined) this.pod = pod
    if (namespace !== undefined) this.namespace = namespace
    if (container !== undefined) this.container = container
  }
}

nameClass(KubernetesError, 'KubernetesError')

export interface KubernetesShapes extends Shapes {
  kubernetesError(failure: KubernetesFailure): Error
}

export const nativeKubernetesShapes: KubernetesShapes = {
  ...nativeShapes,
  adapterError: (operation, cause, kind) => new AdapterError('kubernetes', operation, cause, kind),
  kubernetesError: (failure) => new KubernetesError(failure),
}
