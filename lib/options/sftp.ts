import { InvalidOptionError } from '../errors'
import type {
  DirectoryTransferOptions, DownloadOptions, SFTPOptions, SFTPReadStreamOptions, SFTPWriteStreamOptions, UploadOptions,
} from '../types'
import { boolean, duration, integer, nonEmptyText, oneOf } from './checks'
import { signal } from './exec'
import { type Check, describe, shape } from './schema'

const callback = <F extends (...args: never[]) => unknown>(): Check<F> => (value, option) => {
  if (typeof value !== 'function') throw new InvalidOptionError(option, `expected a function, got ${describe(value)}`)
  // What it takes and gives cannot be seen from outside.
  return value as F
}

const offset = integer(0, Number.MAX_SAFE_INTEGER)
const mode = integer(0, 0o7777)
const highWaterMark = integer(1, 2 ** 30)

const transfer = {
  onProgress: callback<NonNullable<UploadOptions['onProgress']>>(),
  signal,
  atomic: boolean,
  preserve: boolean,
}

const fileTransfer = { ...transfer, resume: boolean, sync: boolean }

const session: Check<SFTPOptions> = shape({ priority: integer(-1_000_000, 1_000_000), signal, timeout: duration })
const upload: Check<UploadOptions> = shape({ ...fileTransfer, mode, parents: boolean })
const download: Check<DownloadOptions> = shape(fileTransfer)
const tree: Check<DirectoryTransferOptions> = shape({
  ...transfer,
  concurrency: integer(1, 1_000),
  symlinks: oneOf('follow', 'recreate', 'skip'),
  filter: callback<NonNullable<DirectoryTransferOptions['filter']>>(),
})
const reading: Check<SFTPReadStreamOptions> = shape({
  start: offset, end: offset, encoding: oneOf('ascii', 'utf8', 'utf-8', 'utf16le', 'utf-16le', 'ucs2', 'ucs-2', 'base64', 'base64url', 'latin1', 'binary', 'hex'),
  signal, highWaterMark,
})
const writing: Check<SFTPWriteStreamOptions> = shape({
  flags: oneOf('w', 'wx', 'a', 'r+'), start: offset, mode, signal, highWaterMark,
})

/** Resuming needs what an atomic transfer never leaves. */
function notBoth<T extends { atomic?: boolean; resume?: boolean }>(options: T): T {
  if (options.atomic === true && options.resume === true) {
    throw new InvalidOptionError('resume', 'it goes on with a file under its own name, and \'atomic\' leaves none; use one of them')
  }
  return options
}

export const checkSFTPOptions = (value: unknown = {}): SFTPOptions => session(value, '')
export const checkUploadOptions = (value: unknown = {}): UploadOptions => notBoth(upload(value, ''))
export const checkDownloadOptions = (value: unknown = {}): DownloadOptions => notBoth(download(value, ''))
export const checkTreeOptions = (value: unknown = {}): DirectoryTransferOptions => tree(value, '')

export function checkReadStreamOptions(value: unknown = {}): SFTPReadStreamOptions {
  const options = reading(value, '')
  if (options.end !== undefined && options.end < (options.start ?? 0)) {
    throw new InvalidOptionError('end', `it must not be before start (${options.start ?? 0})`)
  }
  return options
}

export function checkWriteStreamOptions(value: unknown = {}): SFTPWriteStreamOptions {
  const options = writing(value, '')
  if (options.flags === 'a' && options.start !== undefined) {
    throw new InvalidOptionError('start', 'with flags \'a\' bytes go to the end of the file')
  }
  return options
}

export const checkPath = (value: unknown, option: string): string => nonEmptyText(value, option)

export const checkMode = (value: unknown, option: string): number => mode(value, option)

export const checkMkdirOptions: (value?: unknown) => { recursive?: boolean; mode?: number } = (value = {}) =>
  shape({ recursive: boolean, mode })(value, '')

export const checkRecursive = (value: unknown = {}): boolean => shape({ recursive: boolean })(value, '').recursive ?? false

export const checkOverwrite = (value: unknown = {}): boolean => shape({ overwrite: boolean })(value, '').overwrite ?? false
