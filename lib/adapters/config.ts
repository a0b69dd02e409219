import { InvalidOptionError } from '../errors'
import type { MaskingConfig } from '../masking'
import { boolean, duration, environment, integer, nonEmptyText, text } from '../options/checks'
import { textEncoding } from '../options/exec'
import { type Check, shape } from '../options/schema'
import { DEFAULT_MAX_BUFFER } from '../pool/command-spec'

/** What every adapter is told, in @xec-sh/core's words. */
export interface AdapterConfig {
  /** 120_000 milliseconds per command; 0 = no limit */
  defaultTimeout?: number
  /** Directory of commands without their own, where they run. */
  defaultCwd?: string
  defaultEnv?: Record<string, string>
  /** 'utf8' */
  encoding?: BufferEncoding
  /** 10 MiB for each of stdout and stderr, and for what else is collected */
  maxBuffer?: number
  /** true */
  throwOnNonZeroExit?: boolean
  sensitiveDataMasking?: MaskingConfig
}

const patterns: Check<RegExp[]> = (value, option) => {
  if (Array.isArray(value) && value.every((entry): entry is RegExp => entry instanceof RegExp)) return value
  throw new InvalidOptionError(option, 'expected an array of RegExp')
}

const textOr = <T>(other: Check<T>): Check<string | T> => (value, option) =>
  (typeof value === 'string' ? nonEmptyText(value, option) : other(value, option))

export const adapterFields = {
  defaultTimeout: duration,
  defaultCwd: nonEmptyText,
  defaultEnv: environment,
  defaultShell: textOr(boolean),
  encoding: textEncoding,
  maxBuffer: integer(0, Number.MAX_SAFE_INTEGER),
  throwOnNonZeroExit: boolean,
  sensitiveDataMasking: shape({ enabled: boolean, patterns, replacement: text }),
}

/** Those that a resolved configuration always has. */
export type AlwaysGiven = 'defaultTimeout' | 'defaultEnv' | 'encoding' | 'maxBuffer' | 'throwOnNonZeroExit' | 'sensitiveDataMasking'

export const ADAPTER_DEFAULTS = {
  defaultTimeout: 120_000,
  defaultEnv: {},
  encoding: 'utf8',
  maxBuffer: DEFAULT_MAX_BUFFER,
  throwOnNonZeroExit: true,
  sensitiveDataMasking: {},
} satisfies AdapterConfig
