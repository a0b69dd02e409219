import { InvalidOptionError } from '../errors'
import { nearest } from './suggest'

/** Takes what a caller passed, returns what it means, or throws an InvalidOptionError that names `option`. */
export type Check<T> = (value: unknown, option: string) => T

type Fields = Record<string, Check<unknown>>
type Checked<F extends Fields> = { -readonly [K in keyof F]?: ReturnType<F[K]> }

/**
 * An object with these options and no others. Returns a copy holding only what was given: later code then reads each
 * value once checked, even when the caller's object changes.
 */
export function shape<F extends Fields>(fields: F): Check<Checked<F>> {
  const known = Object.keys(fields)
  return (value, option) => {
    const given = plainObject(value, option)
    const checked: Record<string, unknown> = {}
    for (const [name, entry] of Object.entries(given)) {
      const path = option === '' ? name : `${option}.${name}`
      const check = Object.hasOwn(fields, name) ? fields[name] : undefined
      if (check === undefined) throw unknownOption(path, name, known)
      if (entry !== undefined) checked[name] = check(entry, path)
    }
    // The loop above filled it by these very fields; the compiler cannot follow a computed name.
    return checked as Checked<F>
  }
}

function plainObject(value: unknown, option: string): object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidOptionError(option === '' ? 'options' : option, `expected an object, got ${describe(value)}`)
  }
  return value
}

function unknownOption(path: string, name: string, known: readonly string[]): InvalidOptionError {
  const guess = nearest(name, known)
  const help = guess === undefined ? `known options are ${known.join(', ')}` : `did you mean '${guess}'?`
  return new InvalidOptionError(path, `there is no such option; ${help}`)
}

/** Says what a value is without repeating it: it may be a secret that landed in the wrong place. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return value === '' ? 'an empty string' : 'a string'
  if (Array.isArray(value)) return 'an array'
  if (Buffer.isBuffer(value)) return 'a Buffer'
  return typeof value === 'object' ? 'an object' : typeof value
}
