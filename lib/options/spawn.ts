import { constants } from 'node:os'
import type { Readable } from 'node:stream'
import { InvalidOptionError } from '../errors'
import { duration, environment, integer, nonEmptyText } from './checks'
import { type Terminal, pty, signal, stdin, textEncoding } from './exec'
import { shape } from './schema'

export const spawnFields = {
  cwd: nonEmptyText, env: environment, stdin, encoding: textEncoding, timeout: duration, signal, pty,
  priority: integer(-1_000_000, 1_000_000),
}

const fields = shape(spawnFields)

export interface CheckedSpawnOptions {
  cwd?: string
  env?: Record<string, string>
  stdin?: string | Buffer | Readable
  encoding?: BufferEncoding
  timeout?: number
  signal?: AbortSignal
  priority?: number
  pty?: Terminal | undefined
}

export function checkSpawnOptions(value: unknown): CheckedSpawnOptions {
  return value === undefined ? {} : fields(value, '')
}

/** The signals SSH has names for. */
const SIGNALS: readonly NodeJS.Signals[] = [
  'SIGABRT', 'SIGALRM', 'SIGFPE', 'SIGHUP', 'SIGILL', 'SIGINT', 'SIGKILL', 'SIGPIPE', 'SIGQUIT', 'SIGSEGV', 'SIGTERM',
  'SIGUSR1', 'SIGUSR2',
]

/** A signal by its name or number. */
export function checkSignal(value: unknown): NodeJS.Signals {
  const found = SIGNALS.find((name) => name === value || constants.signals[name] === value)
  if (found === undefined) throw new InvalidOptionError('signal', `expected one of ${SIGNALS.join(', ')}`)
  return found
}

export function checkTerminalSize(columns: unknown, rows: unknown): [number, number] {
  const size = integer(1, 65_535)
  return [size(columns, 'columns'), size(rows, 'rows')]
}
