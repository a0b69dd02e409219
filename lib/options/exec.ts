import type { Readable } from 'node:stream'
import { isUint8Array } from 'node:util/types'
import { InvalidOptionError } from '../errors'
import type { ExecOptions } from '../types'
import { asBuffer, boolean, duration, environment, integer, nonEmptyText, text } from './checks'
import { type Check, describe, shape } from './schema'
import { shell } from './target'

export const textEncoding: Check<BufferEncoding> = (value, option) => {
  if (typeof value === 'string' && Buffer.isEncoding(value)) return value
  throw new InvalidOptionError(option, `expected an encoding Node.js knows, got ${describe(value)}`)
}

export const encoding: Check<BufferEncoding | 'buffer'> = (value, option) => {
  if (value === 'buffer') return value
  if (typeof value === 'string' && Buffer.isEncoding(value)) return value
  throw new InvalidOptionError(option, `expected 'buffer' or an encoding Node.js knows, got ${describe(value)}`)
}

const isReadable = (value: unknown): value is Readable =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value && 'pipe' in value

export const stdin: Check<string | Buffer | Readable> = (value, option) => {
  if (typeof value === 'string' || isReadable(value)) return value
  if (isUint8Array(value)) return asBuffer(value)
  throw new InvalidOptionError(option, `expected a string, a Buffer or a Readable stream, got ${describe(value)}`)
}

// By shape: under Jest and in vm contexts the signal may come from another realm.
const isAbortSignal = (value: unknown): value is AbortSignal =>
  typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value

export const signal: Check<AbortSignal> = (value, option) => {
  if (isAbortSignal(value)) return value
  throw new InvalidOptionError(option, `expected an AbortSignal, got ${describe(value)}`)
}

const ptyFields = shape({ columns: integer(1, 65_535), rows: integer(1, 65_535), term: nonEmptyText })

/** The terminal asked for, sizes filled in. */
export interface Terminal {
  columns: number
  rows: number
  term: string
}

export const pty: Check<Terminal | undefined> = (value, option) => {
  if (value === false) return undefined
  const { columns = 80, rows = 24, term = 'xterm-256color' } = value === true ? {} : ptyFields(value, option)
  return { columns, rows, term }
}

export const execFields = {
  cwd: nonEmptyText,
  env: environment,
  stdin,
  encoding,
  timeout: duration,
  signal,
  maxBuffer: integer(0, Number.MAX_SAFE_INTEGER),
  priority: integer(-1_000_000, 1_000_000),
  throwOnNonZeroExit: boolean,
  collectAll: boolean,
  retry: shape({ lostConnection: boolean }),
  pty,
  shell,
}

const fields = shape(execFields)

export type CheckedExecOptions = Omit<ExecOptions, 'pty'> & { pty?: Terminal | undefined }

export function checkExecOptions(value: unknown): CheckedExecOptions {
  return value === undefined ? {} : fields(value, '')
}

export function checkCommand(value: unknown): string {
  return nonEmptyText(value, 'command')
}

/** A line for the container's `sh`, or a program and its arguments. */
export function checkContainerCommand(value: unknown): string | string[] {
  if (!Array.isArray(value)) return checkCommand(value)
  const [program, ...rest] = value as unknown[]
  return [nonEmptyText(program, 'command[0]'), ...rest.map((word, index) => text(word, `command[${index + 1}]`))]
}
