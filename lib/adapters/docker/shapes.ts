import type { FailureKind, XecNativeError } from '../../errors'
import { nameClass } from '../../errors/native-error'
import { AdapterError, ExecutionError } from '../ssh/execution-errors'
import { type Shapes, nativeShapes } from '../ssh/shapes'

/** In the shape of @xec-sh/core's, for programs without it. */
export class DockerError extends ExecutionError {
  constructor(readonly container: string, readonly operation: string, readonly originalError: Error, kind: FailureKind) {
    super(
      `Docker operation '${operation}' failed for container ${container}: ${originalError.message}`, 'DOCKER_ERROR', kind,
      { container, operation, originalError: originalError.message }, originalError,
    )
  }
}

nameClass(DockerError, 'DockerError')

export interface DockerShapes extends Shapes {
  dockerError(container: string, operation: string, cause: Error, kind: FailureKind): Error
}

export const nativeDockerShapes: DockerShapes = {
  ...nativeShapes,
  adapterError: (operation, cause, kind) => new AdapterError('docker', operation, cause, kind),
  dockerError: (container, operation, cause, kind) => new DockerError(container, operation, cause, kind),
}

export const kindOf = (error: Error): FailureKind => ('kind' in error ? (error as XecNativeError).kind : 'unknown')
