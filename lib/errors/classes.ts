import type { CommandResult } from '../types'
import { type ErrorFields, type HostKeyRefusal, XecNativeError, nameClass } from './native-error'

/** The command ran and ended with a status other than 0, and the caller asked for an error then. */
export class CommandFailedError extends XecNativeError {
  /** Not enumerable: it holds the output. */
  declare readonly result: CommandResult<string | Buffer>
  readonly exitCode: number
  declare readonly signal?: string

  constructor(command: string, result: CommandResult<string | Buffer>) {
    super({
      code: 'ECOMMAND', kind: 'command-failed', phase: 'run', reached: true, host: result.host, command,
      message: `The command ended with ${ending(result)} on ${result.host}: ${command}`,
      stdout: result.stdout, stderr: result.stderr,
    })
    this.exitCode = result.exitCode
    if (result.signal !== undefined) this.signal = result.signal
    Object.defineProperty(this, 'result', { value: result, enumerable: false })
  }
}

function ending(result: CommandResult<string | Buffer>): string {
  return result.signal === undefined ? `status ${result.exitCode}` : `signal ${result.signal}`
}

/** Something took longer than allowed; `phase` says what. */
export class TimeoutExceededError extends XecNativeError {
  /** The limit in milliseconds, where one number applies. */
  declare readonly limit?: number

  constructor(fields: ErrorFields) {
    super(fields)
    if (fields.limit !== undefined) this.limit = fields.limit
  }
}

/** stdout or stderr grew beyond `maxBuffer`. What fitted is in `stdout` and `stderr`. */
export class MaxBufferError extends XecNativeError {
  declare readonly limit?: number
  declare readonly stream?: 'stdout' | 'stderr'

  constructor(fields: ErrorFields) {
    super(fields)
    if (fields.limit !== undefined) this.limit = fields.limit
    if (fields.stream !== undefined) this.stream = fields.stream
  }
}

/** The caller's AbortSignal fired. `cause` is the signal's reason. */
export class AbortError extends XecNativeError {}

/** The connection broke. `reached` says whether the command may have run. */
export class ConnectionLostError extends XecNativeError {}

/** No connection could be made. */
export class ConnectionRefusedError extends XecNativeError {}

/** The server did not accept who we say we are. Never tried again by itself. */
export class AuthenticationError extends XecNativeError {}

/** The server is not the one known under this name, or not known at all. Never tried again by itself. */
export class HostKeyMismatchError extends XecNativeError {
  declare readonly hostKey?: HostKeyRefusal

  constructor(fields: ErrorFields) {
    super(fields)
    if (fields.hostKey !== undefined) this.hostKey = fields.hostKey
  }
}

/** Something that must exist does not: a key file, a remote directory. */
export class NotFoundError extends XecNativeError {}

export class PermissionDeniedError extends XecNativeError {}

/** The call itself is wrong. */
export class InvalidUsageError extends XecNativeError {}

nameClass(CommandFailedError, 'CommandFailedError')
nameClass(TimeoutExceededError, 'TimeoutExceededError')
nameClass(MaxBufferError, 'MaxBufferError')
nameClass(AbortError, 'AbortError')
nameClass(ConnectionLostError, 'ConnectionLostError')
nameClass(ConnectionRefusedError, 'ConnectionRefusedError')
nameClass(AuthenticationError, 'AuthenticationError')
nameClass(HostKeyMismatchError, 'HostKeyMismatchError')
nameClass(NotFoundError, 'NotFoundError')
nameClass(PermissionDeniedError, 'PermissionDeniedError')
nameClass(InvalidUsageError, 'InvalidUsageError')
