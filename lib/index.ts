export * from './types'
export {
  AbortError, AuthenticationError, CommandFailedError, ConnectionLostError, ConnectionRefusedError, HostKeyMismatchError,
  InvalidOptionError, InvalidUsageError, MaxBufferError, NotFoundError, PermissionDeniedError, TimeoutExceededError,
  UnsupportedOptionError, XecNativeError, type ErrorFields, type FailureKind, type FailurePhase,
} from './errors'
export type { PoolEventInfo, PoolEventName, PoolEvents } from './events'
export { SSHConnectionPool } from './pool'
export { version } from './binding'
export {
  AdapterError, CommandError, ConnectionError, ExecutionError, SSHAdapter, TimeoutError, type AdapterCommand,
  type ConnectionPoolMetrics, type DefaultConnectOptions, type ExecutionResult, type OutputTarget, type SSHAdapterConfig,
  type SSHAdapterEvents, type SSHAdapterOptions,
} from './adapters'
export type { MaskingConfig } from './masking'
