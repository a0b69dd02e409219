import { describe, expect, it } from 'vitest'
import type { FailureRecord } from '../../lib/binding'
import {
  AbortError, AuthenticationError, ConnectionLostError, ConnectionRefusedError, HostKeyMismatchError, InvalidUsageError,
  MaxBufferError, NotFoundError, PermissionDeniedError, TimeoutExceededError, XecNativeError, errorFromFailure,
} from '../../lib/errors'

const failure = (changes: Partial<FailureRecord> = {}): FailureRecord => ({
  code: 'EX', kind: 'unknown', phase: 'run', message: 'it broke', causes: [], host: 'web', port: 22, ...changes,
})

describe('errorFromFailure', () => {
  it.each([
    ['timeout', TimeoutExceededError], ['connection-lost', ConnectionLostError], ['connection-refused', ConnectionRefusedError],
    ['authentication', AuthenticationError], ['not-found', NotFoundError], ['permission-denied', PermissionDeniedError],
    ['invalid-usage', InvalidUsageError], ['host-key-mismatch', HostKeyMismatchError], ['unknown', XecNativeError],
  ])('kind %s is a %o', (kind, type) => {
    const error = errorFromFailure(failure({ kind }))
    expect(error.constructor).toBe(type)
    expect(error).toMatchObject({ kind, name: type.name, code: 'EX', phase: 'run', host: 'web', port: 22 })
  })

  it('goes by the code where that says more', () => {
    const reason = new Error('why')
    const aborted = errorFromFailure(failure({ code: 'ABORT_ERR', causes: ['engine talk'] }), { reason })
    expect(aborted).toBeInstanceOf(AbortError)
    expect(aborted.cause).toBe(reason)
    expect(errorFromFailure(failure({ code: 'EMAXBUFFER', limit: 5, stream: 'stderr' }))).toBeInstanceOf(MaxBufferError)
  })

  it('survives words of a newer engine', () => {
    const error = errorFromFailure(failure({ kind: 'quantum', phase: 'teleport' }))
    expect(error.kind).toBe('unknown')
    expect(error).not.toHaveProperty('phase')
  })

  it('chains causes, outermost first', () => {
    const error = errorFromFailure(failure({ causes: ['first', 'second'] }))
    expect(error.cause).toMatchObject({ message: 'first', cause: { message: 'second' } })
    expect(errorFromFailure(failure())).not.toHaveProperty('cause')
  })

  it('tells known from unknown', () => {
    expect(errorFromFailure(failure({ reached: false })).reached).toBe(false)
    expect(errorFromFailure(failure())).not.toHaveProperty('reached')
  })

  it('masks message, command and causes, and does not print output', () => {
    const secret = 'hunter2hunter2'
    const error = errorFromFailure(
      failure({ message: `failed: password=${secret}`, causes: [`token: ${secret}`], stdout: Buffer.from(secret) }),
      { command: `login --password ${secret}` },
    )
    const shown = `${JSON.stringify(error)}${String(error.stack)}${String(error.cause)}`
    expect(shown).not.toContain(secret)
    expect(error.command).toBe('login --password [REDACTED]')
    expect(error.stdout).toEqual(Buffer.from(secret))
  })
})
