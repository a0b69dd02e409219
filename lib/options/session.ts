import type { ExecuteOptions, SessionOptions } from '../types'
import { boolean, duration, environment, integer, nonEmptyText } from './checks'
import { encoding, signal, stdin } from './exec'
import { shape } from './schema'
import { refused } from './unsupported'

export const sessionFields = {
  cwd: nonEmptyText, env: environment, timeout: duration, signal, priority: integer(-1_000_000, 1_000_000),
}

const sessionOptions = shape(sessionFields)

const executeFields = shape({
  encoding,
  timeout: duration,
  signal,
  maxBuffer: integer(0, Number.MAX_SAFE_INTEGER),
  throwOnNonZeroExit: boolean,
  collectAll: boolean,
  stdin,
  cwd: refused('put cd into the command: it lasts'),
  env: refused('put export into the command: it lasts'),
})

export function checkSessionOptions(value: unknown): SessionOptions {
  return value === undefined ? {} : sessionOptions(value, '')
}

export function checkExecuteOptions(value: unknown): ExecuteOptions {
  return value === undefined ? {} : executeFields(value, '')
}
