import type { FailureKind, XecNativeError } from '../../errors'
import { createMask, type Mask, type MaskingConfig } from '../../masking'
import { AdapterError, ConnectionError, TimeoutError } from './execution-errors'
import { type ExecutionResult, NativeExecutionResult, type ResultFields } from './execution-result'

/**
 * The classes an adapter answers with. The default ones are ours; `@xec-sh/native/xec` puts @xec-sh/core's own in their
 * place, because programs ask `instanceof` about those.
 */
export interface Shapes {
  createMask(config: MaskingConfig): Mask
  result(fields: ResultFields): ExecutionResult
  adapterError(operation: string, cause: Error, kind: FailureKind): Error
  connectionError(host: string, cause: XecNativeError): Error
  timeoutError(command: string, timeout: number, cause: XecNativeError): Error
}

export const nativeShapes: Shapes = {
  createMask,
  result: (fields) => new NativeExecutionResult(fields),
  adapterError: (operation, cause, kind) => new AdapterError('ssh', operation, cause, kind),
  connectionError: (host, cause) => new ConnectionError(host, cause, cause.kind),
  timeoutError: (command, timeout, cause) => new TimeoutError(command, timeout, cause),
}
