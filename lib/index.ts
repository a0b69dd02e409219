export * from './types'
export {
  AbortError, AuthenticationError, CommandFailedError, ConnectionLostError, ConnectionRefusedError, HostKeyMismatchError,
  InvalidOptionError, InvalidUsageError, MaxBufferError, NotFoundError, PermissionDeniedError, TimeoutExceededError,
  UnsupportedOptionError, XecNativeError, type ErrorFields, type FailureKind, type FailurePhase,
} from './errors'
export type { PoolEventInfo, PoolEventName, PoolEvents } from './events'
export { SSHConnectionPool } from './pool'
export { version } from './binding'
