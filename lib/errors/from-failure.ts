import type { FailureRecord, HostKeyRefusalRecord } from '../binding'
import { maskSecrets } from '../masking'
import {
  AbortError, AuthenticationError, ConnectionLostError, ConnectionRefusedError, HostKeyMismatchError,
  InvalidUsageError, MaxBufferError, NotFoundError, PermissionDeniedError, TimeoutExceededError,
} from './classes'
import { type FailureKind, toKind, toPhase } from './kinds'
import { type ErrorFields, type HostKeyRefusal, XecNativeError } from './native-error'
import { thrownBy } from './thrown'

/** What the record does not carry. */
export interface FailureContext {
  command?: string
  decode?: (bytes: Buffer) => string | Buffer
  /** The abort signal's reason. */
  reason?: unknown
}

type ErrorClass = new (fields: ErrorFields) => XecNativeError

const BY_KIND: Partial<Record<FailureKind, ErrorClass>> = {
  'timeout': TimeoutExceededError,
  'connection-lost': ConnectionLostError,
  'connection-refused': ConnectionRefusedError,
  'authentication': AuthenticationError,
  'host-key-mismatch': HostKeyMismatchError,
  'not-found': NotFoundError,
  'permission-denied': PermissionDeniedError,
  'invalid-usage': InvalidUsageError,
}

/** These two say more by their code than by their kind. */
const BY_CODE: Record<string, ErrorClass> = { ABORT_ERR: AbortError, EMAXBUFFER: MaxBufferError }

/** Builds the Error for an engine failure. */
export function errorFromFailure(failure: FailureRecord, context: FailureContext = {}): XecNativeError {
  const kind = toKind(failure.kind)
  const type = BY_CODE[failure.code] ?? BY_KIND[kind] ?? XecNativeError
  return new type(fieldsOf(failure, kind, context))
}

function fieldsOf(failure: FailureRecord, kind: FailureKind, context: FailureContext): ErrorFields {
  const decode = context.decode ?? ((bytes: Buffer) => bytes)
  return {
    code: failure.code,
    kind,
    phase: toPhase(failure.phase),
    message: maskSecrets(failure.message),
    host: failure.host,
    port: failure.port,
    command: context.command === undefined ? undefined : maskSecrets(context.command),
    reached: failure.reached,
    cause: causeOf(failure, context),
    stdout: failure.stdout === undefined ? undefined : decode(failure.stdout),
    stderr: failure.stderr === undefined ? undefined : decode(failure.stderr),
    limit: failure.limit,
    path: failure.path,
    status: failure.status,
    hostKey: failure.hostKey === undefined ? undefined : hostKeyOf(failure.hostKey),
    stream: failure.stream === 'stdout' || failure.stream === 'stderr' ? failure.stream : undefined,
  }
}

function causeOf(failure: FailureRecord, context: FailureContext): unknown {
  if (failure.code === 'ABORT_ERR') return context.reason
  const thrown = failure.thrown === undefined ? undefined : thrownBy(failure.thrown)
  return thrown ?? causeChain(failure.causes)
}

function hostKeyOf(record: HostKeyRefusalRecord): HostKeyRefusal {
  const { problem, algorithm: type, fingerprint, place, unreadable } = record
  return {
    problem, type, fingerprint,
    ...place === undefined ? {} : { place: { file: place.file, line: place.line } },
    unreadable: unreadable.map(({ file, line, problem = '' }) => ({ file, line, problem })),
  }
}

/** Nested errors from messages, outermost first. */
function causeChain(messages: readonly string[]): Error | undefined {
  return messages.reduceRight<Error | undefined>(
    (cause, message) => new Error(maskSecrets(message), cause === undefined ? undefined : { cause }),
    undefined,
  )
}
