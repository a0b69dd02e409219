import { XecNativeError } from './native'

/** The error a promise rejects with. A promise that resolves fails the test. */
export async function failureOf(promise: Promise<unknown>): Promise<XecNativeError> {
  const outcome = await promise.then((value) => ({ value }), (error: unknown) => ({ error }))
  if ('value' in outcome) throw new Error(`expected a failure, but it resolved with ${JSON.stringify(outcome.value)}`)
  if (outcome.error instanceof XecNativeError) return outcome.error
  throw new Error('expected an XecNativeError', { cause: outcome.error })
}

/** Everything an error shows of itself, causes included. */
export function visible(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return [error.name, error.message, error.stack, JSON.stringify(error), visible(error.cause ?? '')].join('\n')
}
