import { isUint8Array } from 'node:util/types'
import { InvalidOptionError } from '../errors'
import { type Check, describe } from './schema'

const fail = (option: string, expected: string, value: unknown): InvalidOptionError =>
  new InvalidOptionError(option, `expected ${expected}, got ${describe(value)}`)

export const boolean: Check<boolean> = (value, option) => {
  if (typeof value !== 'boolean') throw fail(option, 'true or false', value)
  return value
}

export function integer(min: number, max: number): Check<number> {
  return (value, option) => {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
      throw fail(option, `an integer from ${min} to ${max}`, value)
    }
    return value
  }
}

/** The longest time a timer can hold, about 24 days. */
const LONGEST = 2 ** 31 - 1

/** Milliseconds. Part of one counts as a whole one, so that a tiny limit never becomes "no limit". */
export const duration: Check<number> = (value, option) => {
  if (typeof value !== 'number' || !(value >= 0 && value <= LONGEST)) {
    throw fail(option, `milliseconds from 0 to ${LONGEST}`, value)
  }
  return Math.ceil(value)
}

export const positiveDuration: Check<number> = (value, option) => {
  if (duration(value, option) === 0) throw fail(option, `milliseconds from 1 to ${LONGEST}`, value)
  return duration(value, option)
}

export function oneOf<const T extends string>(...allowed: readonly T[]): Check<T> {
  return (value, option) => {
    const found = allowed.find((candidate) => candidate === value)
    if (found === undefined) throw fail(option, `one of ${allowed.map((name) => `'${name}'`).join(', ')}`, value)
    return found
  }
}

/** Text that goes to a program or a protocol in which NUL ends a string. */
export const text: Check<string> = (value, option) => {
  if (typeof value !== 'string') throw fail(option, 'a string', value)
  if (value.includes('\0')) throw new InvalidOptionError(option, 'it contains a NUL character, which no command, path or name can')
  return value
}

export const nonEmptyText: Check<string> = (value, option) => {
  if (text(value, option) === '') throw fail(option, 'a non-empty string', value)
  return text(value, option)
}

export const textOrBytes: Check<string | Buffer> = (value, option) => {
  if (typeof value === 'string') return nonEmptyText(value, option)
  if (isUint8Array(value)) {
    if (value.length === 0) throw fail(option, 'a non-empty string or Buffer', 'an empty Buffer')
    return asBuffer(value)
  }
  throw fail(option, 'a string or Buffer', value)
}

/** The same bytes as a Buffer, without a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

const FORBIDDEN_IN_HOST = /[\s@/\\[\]\p{Cc}]/u

export const hostName: Check<string> = (value, option) => {
  const host = nonEmptyText(value, option)
  if (FORBIDDEN_IN_HOST.test(host)) {
    throw new InvalidOptionError(option, 'expected a host name or address alone: the user goes into \'username\', the port into \'port\', IPv6 without brackets')
  }
  return host
}

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

export const environment: Check<Record<string, string>> = (value, option) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fail(option, 'an object of strings', value)
  const checked: Record<string, string> = {}
  for (const [name, entry] of Object.entries(value)) {
    if (!ENV_NAME.test(name)) {
      throw new InvalidOptionError(`${option}[${JSON.stringify(name)}]`, 'a variable\'s name has letters, digits and _ and does not start with a digit')
    }
    if (entry !== undefined) checked[name] = text(entry, `${option}.${name}`)
  }
  return checked
}

/** For values that are only passed on or refused elsewhere. */
export const anything: Check<unknown> = (value) => value
