import { lstat, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, posix, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { NativePacking, NativeUnpacking, type TreeReportRecord } from '../binding'
import { InvalidUsageError, NotFoundError, TimeoutExceededError, XecNativeError, errorFromFailure } from '../errors'
import type { RemoteProcess } from '../process'
import type { PodCopyOptions, PodCopyReport, PodRef } from '../types'
import type { KubernetesContext } from './context'

export interface Copy {
  local: string
  pod: PodRef
  remote: string
}

/** What a container's `tar` may say in an error. */
const WORDS = 2_000

/** Into a pod: a destination that is a folder, or ends with /, gets it inside; else it becomes the destination. */
export async function copyTo(context: KubernetesContext, { local, pod, remote }: Copy, options: PodCopyOptions): Promise<PodCopyReport> {
  const root = resolve(local)
  await lstat(root).catch((cause: unknown) => { throw missing(local, cause) })
  return withLimit(context, `Copying ${local} into a pod`, options, async (within) => {
    const inside = remote.endsWith('/') || await isFolder(context, pod, remote, within)
    const [folder, name] = inside ? [remote, basename(root)] : [posix.dirname(remote), posix.basename(remote)]
    const packing = new NativePacking({ root, name, host: context.host })
    try {
      const process = context.spawn(pod, ['tar', '-xopf', '-', '-C', folder], { ...within, stdin: Readable.from(pieces(packing), { objectMode: false }) })
      process.stdout.resume()
      await ended(process, remote)
      return reportOf((await packing.close()).report)
    } finally {
      await packing.close()
    }
  })
}

async function* pieces(packing: NativePacking): AsyncGenerator<Buffer, void, undefined> {
  for (;;) {
    const { data, failure } = await packing.read()
    if (failure !== undefined) throw errorFromFailure(failure)
    if (data === undefined) return
    yield data
  }
}

/** Out of a pod, by the same rules for names. Nothing that comes is trusted: what leads out of the destination is refused. */
export async function copyFrom(context: KubernetesContext, { local, pod, remote }: Copy, options: PodCopyOptions): Promise<PodCopyReport> {
  const path = posix.normalize(remote).replace(/(?!^)\/+$/, '')
  const name = posix.basename(path)
  if (['', '.', '..', '/'].includes(name)) throw invalid(`${remote} has no name of its own: name the file or folder to be copied`)
  return withLimit(context, `Copying ${remote} out of a pod`, options, async (within) => {
    const base = await placeHere(local, name)
    const process = context.spawn(pod, ['tar', '-cf', '-', '-C', posix.dirname(path), '--', name], { ...within, stdin: '' })
    const unpacking = new NativeUnpacking({ base, keepOutsideLinks: false, host: context.host })
    try {
      const done = ended(process, remote)
      // What is in the way of unpacking is told instead of what that does to the command.
      done.catch(() => undefined)
      try {
        for await (const piece of process.stdout as AsyncIterable<Buffer>) {
          const { failure } = await unpacking.write(piece)
          if (failure !== undefined) throw errorFromFailure(failure)
        }
      } catch (error) {
        // The stream ends with the command's own error; `ended` knows what it means here.
        if (isMissingProgram(error)) await done
        throw error
      }
      await done
      const { report, failure } = await unpacking.finish()
      if (failure !== undefined) throw errorFromFailure(failure)
      return reportOf(report)
    } finally {
      await process[Symbol.asyncDispose]()
      await unpacking.close()
    }
  })
}

async function isFolder(context: KubernetesContext, pod: PodRef, path: string, within: PodCopyOptions): Promise<boolean> {
  const { exitCode } = await context.exec(pod, ['test', '-d', path], within).catch((error: unknown) => {
    if (!isMissingProgram(error)) throw error
    throw lacking(context.host, path, 'test, by which it is found out whether the destination is a folder (one that ends with / does without)', error)
  })
  return exitCode === 0
}

/** Rejects when it did not end with 0, with what it said. */
async function ended(process: RemoteProcess, path: string): Promise<void> {
  const done = process.done.catch((error: unknown) => {
    throw isMissingProgram(error) ? lacking(process.host, path, 'tar, which copying needs', error) : error
  })
  const [{ exitCode }, said] = await Promise.all([done, beginning(process.stderr)])
  if (exitCode === 0) return
  const words = said.trim().slice(0, WORDS)
  if (exitCode === 127) {
    throw new NotFoundError({
      code: 'ENOPROGRAM', kind: 'not-found', phase: 'transfer', host: process.host, reached: true, path,
      message: `The container has no tar, which copying needs: ${words}`,
    })
  }
  const fields = { phase: 'transfer', host: process.host, reached: true, path, message: `Cannot copy ${path}: tar ended with ${exitCode}: ${words}` } as const
  if (/no such file|not found/i.test(words)) throw new NotFoundError({ code: 'ENOENT', kind: 'not-found', ...fields })
  throw new XecNativeError({ code: 'ECOPY', kind: /permission denied/i.test(words) ? 'permission-denied' : 'unknown', ...fields })
}

/** What comes after it is read all the same, so that its writer does not wait. */
async function beginning(stream: Readable): Promise<string> {
  let said = ''
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (said.length < WORDS) said += chunk.toString()
  }
  return said
}

/** The path that what comes gets here. */
async function placeHere(local: string, name: string): Promise<string> {
  const path = resolve(local)
  const there = await stat(path).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  })
  // The caller's own links are followed, those that come are not.
  if (there?.isDirectory() === true) return join(await realpath(path), name)
  if (/[/\\]$/.test(local)) throw missing(local)
  await lstat(dirname(path)).catch((cause: unknown) => { throw missing(dirname(path), cause) })
  return path
}

async function withLimit<T>(
  context: KubernetesContext, what: string, { timeout = 0, signal, ...place }: PodCopyOptions, work: (within: PodCopyOptions) => Promise<T>,
): Promise<T> {
  if (timeout === 0) return work({ ...place, ...(signal === undefined ? {} : { signal }) })
  const late = new TimeoutExceededError({
    code: 'ETIMEDOUT', kind: 'timeout', phase: 'transfer', host: context.host, limit: timeout, message: `${what} took longer than ${timeout} ms`,
  })
  const stop = new AbortController()
  const timer = setTimeout(() => { stop.abort(late) }, timeout)
  try {
    return await work({ ...place, signal: signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]) })
  } catch (error) {
    if (stop.signal.aborted) throw late
    throw error
  } finally {
    clearTimeout(timer)
  }
}

function reportOf(report: TreeReportRecord | undefined): PodCopyReport {
  if (report === undefined) throw new TypeError('the engine answered with neither report nor failure')
  const { files, directories, links, bytes, skipped } = report
  return { files, directories, links, bytes, skipped }
}

const isMissingProgram = (error: unknown): error is XecNativeError => error instanceof XecNativeError && error.code === 'ENOPROGRAM'

const lacking = (host: string, path: string, what: string, cause: unknown): NotFoundError =>
  new NotFoundError({ code: 'ENOPROGRAM', kind: 'not-found', phase: 'transfer', host, reached: false, path, cause, message: `The container has no ${what}` })

const invalid = (message: string): InvalidUsageError =>
  new InvalidUsageError({ code: 'EINVAL', kind: 'invalid-usage', phase: 'transfer', reached: false, message })

const missing = (path: string, cause?: unknown): NotFoundError =>
  new NotFoundError({ code: 'ENOENT', kind: 'not-found', phase: 'transfer', reached: false, path, cause, message: `There is no file or directory ${path}` })
