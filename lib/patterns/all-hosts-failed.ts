import { XecNativeError } from '../errors'
import { nameClass } from '../errors/native-error'

/** No host could run the command. `errors` has one entry per host, in the order in which they were tried. */
export class AllHostsFailedError extends XecNativeError {
  // Not enumerable, as in an AggregateError, which is also the `cause`: what prints errors then prints every one of them.
  declare readonly errors: readonly unknown[]

  constructor(errors: readonly unknown[]) {
    super({
      code: 'EALLHOSTS', kind: inCommon(errors.map(kindOf)) ?? 'unknown', message: 'All hosts failed',
      reached: reachedOf(errors), cause: new AggregateError(errors, errors.map(messageOf).join('; ')),
    })
    Object.defineProperty(this, 'errors', { value: Object.freeze([...errors]), enumerable: false })
  }
}

nameClass(AllHostsFailedError, 'AllHostsFailedError')

const kindOf = (error: unknown): XecNativeError['kind'] => (error instanceof XecNativeError ? error.kind : 'unknown')
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

function inCommon<T>(values: readonly T[]): T | undefined {
  return values.every((value) => value === values[0]) ? values[0] : undefined
}

/** True when any host may have run it for certain, false when none can have, unknown otherwise. */
function reachedOf(errors: readonly unknown[]): boolean | undefined {
  const reached = errors.map((error) => (error instanceof XecNativeError ? error.reached : undefined))
  return reached.includes(true) ? true : inCommon(reached)
}
