import type { FailureKind } from '../../errors'
import { nameClass } from '../../errors/native-error'
import type { ExecutionResult } from './execution-result'

/** Errors in the shape of @xec-sh/core's, for programs without it. With it, `@xec-sh/native/xec` throws core's own. */
export class ExecutionError extends Error {
  constructor(
    message: string, readonly code: string, readonly kind: FailureKind,
    readonly details: Readonly<Record<string, unknown>>, cause?: Error,
  ) {
    super(message, cause === undefined ? undefined : { cause })
  }
}

export class CommandError extends ExecutionError {
  readonly command: string
  readonly exitCode: number
  declare readonly signal?: string
  readonly stdout: string
  readonly stderr: string
  readonly duration: number

  constructor(result: Pick<ExecutionResult, 'command' | 'exitCode' | 'signal' | 'stdout' | 'stderr' | 'duration'>) {
    const { command, exitCode, signal, stdout, stderr, duration } = result
    super(`Command failed with exit code ${exitCode}: ${command}`, 'COMMAND_FAILED', 'command-failed', { exitCode, signal, stdout, stderr, duration })
    this.command = command
    this.exitCode = exitCode
    if (signal !== undefined) this.signal = signal
    this.stdout = stdout
    this.stderr = stderr
    this.duration = duration
  }
}

export class TimeoutError extends ExecutionError {
  constructor(readonly command: string, readonly timeout: number, cause?: Error) {
    super(`Command timed out after ${timeout}ms: ${command}`, 'TIMEOUT', 'timeout', { command, timeout }, cause)
  }
}

export class ConnectionError extends ExecutionError {
  constructor(readonly host: string, readonly originalError: Error, kind: FailureKind) {
    super(`Failed to connect to ${host}: ${originalError.message}`, 'CONNECTION_FAILED', kind, { host, originalError: originalError.message }, originalError)
  }
}

export class AdapterError extends ExecutionError {
  constructor(readonly adapter: string, readonly operation: string, readonly originalError: Error, kind: FailureKind) {
    super(
      `Adapter '${adapter}' failed during '${operation}': ${originalError.message}`, 'ADAPTER_ERROR', kind,
      { adapter, operation, originalError: originalError.message }, originalError,
    )
  }
}

nameClass(ExecutionError, 'ExecutionError')
nameClass(CommandError, 'CommandError')
nameClass(TimeoutError, 'TimeoutError')
nameClass(ConnectionError, 'ConnectionError')
nameClass(AdapterError, 'AdapterError')
