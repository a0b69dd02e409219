import { InvalidOptionError, UnsupportedOptionError, XecNativeError } from '../../errors'
import { targetFields } from '../../options/target'
import type { Shapes } from './shapes'

/** What was asked, for the errors about it. Texts are masked. */
export interface FailedCommand {
  /** The adapter's method; 'execute' by default. */
  operation?: string
  command: string
  host: string
  /** Milliseconds; 0 = no limit */
  timeout: number
}

const CONNECTING: ReadonlySet<string | undefined> = new Set(['dial', 'handshake', 'authenticate'])

/** Did the command's own time limit end it, rather than the one for connecting or for waiting in the pool? */
export function isCommandTimeout(error: XecNativeError, timeout: number): boolean {
  return error.code === 'ETIMEDOUT' && (!CONNECTING.has(error.phase) || limitOf(error) === timeout)
}

function limitOf(error: XecNativeError): number | undefined {
  return 'limit' in error && typeof error.limit === 'number' ? error.limit : undefined
}

/** The pool's error in the classes of @xec-sh/core's contract. The pool's own stays reachable as `originalError`. */
export function contractError(error: unknown, failed: FailedCommand, shapes: Shapes): Error {
  if (!(error instanceof XecNativeError)) {
    return shapes.adapterError(failed.operation ?? 'execute', error instanceof Error ? error : new Error(String(error)), 'unknown')
  }
  return detailed(nativeError(error, failed, shapes), error)
}

function nativeError(error: XecNativeError, failed: FailedCommand, shapes: Shapes): Error {
  if (isCommandTimeout(error, failed.timeout)) {
    return shapes.timeoutError(failed.command, limitOf(error) ?? failed.timeout, error)
  }
  if (CONNECTING.has(error.phase) || isAboutTarget(error)) {
    return shapes.connectionError(failed.host, error)
  }
  return shapes.adapterError(failed.operation ?? 'execute', error, error.kind)
}

/** Core reports wrong connection options as a failure to connect. */
function isAboutTarget(error: XecNativeError): boolean {
  if (!(error instanceof InvalidOptionError || error instanceof UnsupportedOptionError)) return false
  const [name = ''] = error.option.split('.')
  return Object.hasOwn(targetFields, name)
}

/** What core's classes have no field for, but its `classifyFailure` and people look for. */
export function detailed(error: Error, native: XecNativeError): Error {
  const { kind, phase, reached } = native
  for (const [name, value] of Object.entries({ kind, phase, reached })) {
    if (value === undefined) continue
    Object.defineProperty(error, name, { value, enumerable: true, configurable: true, writable: true })
  }
  Object.defineProperty(error, 'cause', { value: native, enumerable: false, configurable: true, writable: true })
  return error
}

/** The error of a tunnel that could not be opened. */
export function tunnelError(operation: string, error: unknown, host: string, shapes: Shapes): Error {
  if (!(error instanceof XecNativeError)) {
    return shapes.adapterError(operation, error instanceof Error ? error : new Error(String(error)), 'unknown')
  }
  const connecting = CONNECTING.has(error.phase) || isAboutTarget(error)
  return detailed(connecting ? shapes.connectionError(host, error) : shapes.adapterError(operation, error, error.kind), error)
}
