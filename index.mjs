// Re-exports the CommonJS build, so that import and require share one pool.
import native from './index.js'

export const {
  AbortError,
  AdapterError,
  AuthenticationError,
  CommandError,
  CommandFailedError,
  ConnectionError,
  ConnectionLostError,
  ConnectionRefusedError,
  ExecutionError,
  HostKeyMismatchError,
  InvalidOptionError,
  InvalidUsageError,
  MaxBufferError,
  NotFoundError,
  PermissionDeniedError,
  SSHAdapter,
  SSHConnectionPool,
  TimeoutError,
  TimeoutExceededError,
  UnsupportedOptionError,
  version,
  XecNativeError,
} = native
