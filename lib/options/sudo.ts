import { InvalidOptionError } from '../errors'
import type { SudoOptions } from '../types'
import { boolean, oneOf, text } from './checks'
import { type Check, shape } from './schema'

/** Options with their defaults filled in. */
export interface CheckedSudo extends SudoOptions {
  enabled: true
  user: string
  passwordMethod: 'askpass' | 'stdin'
}

const ACCOUNT = /^[a-z_][a-z0-9_-]*[$]?$/

const user: Check<string> = (value, option) => {
  const name = text(value, option)
  if (name.length <= 32 && ACCOUNT.test(name)) return name
  throw new InvalidOptionError(option, 'expected the name of an account: small letters, digits, _ and -, at most 32')
}

/** sudo reads one line, and no more of it than this. */
const LONGEST_PASSWORD = 1024

const password: Check<string> = (value, option) => {
  const secret = text(value, option)
  if (/[\r\n]/.test(secret)) throw new InvalidOptionError(option, 'it must be one line')
  if (Buffer.byteLength(secret) > LONGEST_PASSWORD) throw new InvalidOptionError(option, `it must not be longer than ${LONGEST_PASSWORD} bytes`)
  return secret
}

export const passwordMethod = oneOf('stdin', 'askpass', 'echo', 'secure', 'secure-askpass')

export const sudoFields = { enabled: boolean, user, password, passwordMethod }

const fields = shape(sudoFields)

export const sudo: Check<CheckedSudo | undefined> = (value, option) => {
  // As for the options that are refused: these ask for nothing.
  if (value === false || value === null) return undefined
  const given: Partial<SudoOptions> = fields(value, option)
  if (given.enabled !== true) return undefined
  return {
    enabled: true,
    user: given.user ?? 'root',
    // sudo takes an empty password for none at all.
    ...(given.password === undefined || given.password === '' ? {} : { password: given.password }),
    passwordMethod: given.passwordMethod === 'stdin' || given.passwordMethod === 'echo' ? 'stdin' : 'askpass',
  }
}
