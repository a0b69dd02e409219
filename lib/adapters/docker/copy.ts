import { lstat, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, posix, resolve } from 'node:path'
import { NativePacking, NativeUnpacking, type TreeReportRecord } from '../../binding'
import { InvalidOptionError, InvalidUsageError, NotFoundError, errorFromFailure } from '../../errors'
import { duration, nonEmptyText, oneOf } from '../../options/checks'
import { signal } from '../../options/exec'
import { type Check, shape } from '../../options/schema'
import type { DockerExchange } from '../../docker'
import { inPath } from './api'
import { hasCode } from './daemon-error'
import { type Cut, withDeadline } from './deadline'
import type { Room } from './room'
import { send } from './send'
import { type Fields, fields } from './shape-of'
import { callback } from './transfer-options'
import type { DockerCopyReport } from './types'

const onProgress: Check<(transferred: number) => void> = (value, option) => callback(value, option)

const checkCopy = shape({ signal, timeout: duration, onProgress, outsideLinks: oneOf('refuse', 'keep') })

type Checked = ReturnType<typeof checkCopy>

const checked = (options: unknown): Checked => (options === undefined ? {} : checkCopy(options, ''))

/** With a slash or `/.` at its end a path means a folder, or what is in it. */
const meansFolder = (path: string): boolean => /[/\\]\.?$/.test(path)
const meansContent = (path: string): boolean => /(^|[/\\])\.$/.test(path)

/** Copies a file or a tree into a container, by `docker cp`'s rules for names; what arrives belongs to root. */
export async function copyToContainer(room: Room, source: string, container: string, target: string, options: unknown): Promise<DockerCopyReport> {
  const given = checked(options)
  const root = resolve(nonEmptyText(source, 'src'))
  const found = await lstat(root).catch((cause: unknown) => { throw missing(source, cause) })
  const { timeout, signal: stop, limits } = limitsOf(room, `Copying into ${container}`, given)
  const place = await placeInContainer({ client: room.client, container, timeout, signal: stop }, nonEmptyText(target, 'dest'), {
    name: basename(root), isFolder: found.isDirectory(), contentOnly: meansContent(source),
  })
  return withDeadline(limits, async (cut) => {
    const packing = new NativePacking({ root, host: room.client.host, ...(place.name === undefined ? {} : { name: place.name }) })
    try {
      const exchange = cut.closes(room.client.exchange('PUT', `/containers/${inPath(container)}/archive`, {
        query: { path: place.folder, noOverwriteDirNonDir: true }, headers: { 'content-type': 'application/x-tar' },
        upload: true, timeout, signal: stop,
      }))
      await send(packing, exchange, given.onProgress)
      await exchange.head
      return reportOf((await packing.close()).report)
    } finally {
      await packing.close()
    }
  })
}

/** Copies a file or a tree out of a container, by `docker cp`'s rules for names. Nothing that comes is trusted. */
export async function copyFromContainer(room: Room, container: string, source: string, target: string, options: unknown): Promise<DockerCopyReport> {
  const given = checked(options)
  const from = containerPath(source, 'src')
  const { timeout, signal: stop, limits } = limitsOf(room, `Copying out of ${container}`, given)
  const path = `/containers/${inPath(container)}/archive`
  return withDeadline(limits, async (cut) => {
    const exchange = cut.closes(room.client.exchange('GET', path, { query: { path: from.path }, timeout, signal: stop }))
    const { headers } = await exchange.head
    const isFolder = statOf(headers).isFolder
    if (!isFolder && meansFolder(source)) throw invalid(`${source} is no directory`)
    const base = await placeHere(nonEmptyText(target, 'dest'), { name: posix.basename(from.path), isFolder, contentOnly: from.contentOnly })
    return unpack(exchange, cut, base, given, room.client.host)
  })
}

async function unpack(exchange: DockerExchange, cut: Cut, base: string, { onProgress: tell, outsideLinks }: Checked, host: string): Promise<DockerCopyReport> {
  const unpacking = new NativeUnpacking({ base, keepOutsideLinks: outsideLinks === 'keep', host })
  let transferred = 0
  try {
    for await (const piece of exchange.stdout as AsyncIterable<Buffer>) {
      const { failure } = await unpacking.write(piece)
      if (failure !== undefined) throw errorFromFailure(failure)
      transferred += piece.length
      tell?.(transferred)
    }
    if (cut.reason !== undefined) throw cut.reason
    const { report, failure } = await unpacking.finish()
    if (failure !== undefined) throw errorFromFailure(failure)
    return reportOf(report)
  } finally {
    exchange.cancel()
    await unpacking.close()
  }
}

/** Which container, and how long may that take? */
interface Asking {
  client: Room['client']
  container: string
  timeout: number
  signal: AbortSignal | undefined
}

interface Asked {
  name: string
  isFolder: boolean
  contentOnly: boolean
}

/** Where in the container the archive is unpacked, and the name of its root; without a name, only what is in it is sent. */
async function placeInContainer(
  at: Asking, target: string, asked: Asked,
): Promise<{ folder: string; name: string | undefined }> {
  const { path } = containerPath(target, 'dest')
  const there = await statInContainer(at, path)
  if (there?.isFolder === true) return { folder: path, name: asked.isFolder && asked.contentOnly ? undefined : asked.name }
  if (there !== undefined && asked.isFolder) throw invalid(`cannot copy a directory over the file ${path}`)
  if (meansFolder(target) && !asked.isFolder) throw invalid(`there is no directory ${path} in the container`)
  return { folder: posix.dirname(path), name: posix.basename(path) }
}

/** The path that the copied root gets. */
async function placeHere(target: string, asked: Asked): Promise<string> {
  const path = resolve(target)
  const there = await stat(path).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  })
  if (there?.isDirectory() === true) {
    // The caller's own links are followed, those that come are not.
    const folder = await realpath(path)
    return asked.isFolder && asked.contentOnly ? folder : join(folder, asked.name)
  }
  if (there !== undefined && asked.isFolder) throw invalid(`cannot copy a directory over the file ${path}`)
  if (meansFolder(target) && !asked.isFolder) throw missing(path)
  await lstat(dirname(path)).catch((cause: unknown) => { throw missing(dirname(path), cause) })
  return path
}

function containerPath(text: string, option: string): { path: string; contentOnly: boolean } {
  const given = nonEmptyText(text, option)
  // The CLI takes a relative path from the root as well.
  const path = posix.resolve('/', given)
  if (path === '/' && option === 'src') throw new InvalidOptionError(option, 'the root of a container cannot be copied as a whole; name what is in it')
  return { path, contentOnly: meansContent(given) }
}

/** Links that lead to links to links. */
const MOST_LINKS = 10

async function statInContainer(at: Asking, path: string, links = MOST_LINKS): Promise<{ isFolder: boolean } | undefined> {
  const { client, container, timeout, signal: stop } = at
  try {
    const { headers } = await client.request('HEAD', `/containers/${inPath(container)}/archive`, { query: { path }, timeout, signal: stop })
    const found = statOf(headers)
    if (found.link === '') return found
    if (links === 0) throw invalid(`${path} is a link in a circle`)
    // A link is followed, as the daemon does when it unpacks.
    return await statInContainer(at, posix.resolve(posix.dirname(path), found.link), links - 1)
  } catch (error) {
    if (await isMissingPath(error, at)) return undefined
    throw error
  }
}

/** A daemon answers HEAD without words: whether the path or the container is missing has to be asked. */
async function isMissingPath(error: unknown, { client, container, timeout, signal: stop }: Asking): Promise<boolean> {
  if (!hasCode(error, 'ENOENT', 'ENOCONTAINER')) return false
  await client.request('GET', `/containers/${inPath(container)}/json`, { timeout, signal: stop })
  return true
}

/** Bits of Go's modes. */
const FOLDER = 2 ** 31
const LINK = 2 ** 27

const has = (mode: number, bit: number): boolean => Math.floor(mode / bit) % 2 === 1

function statOf(headers: Readonly<Record<string, string>>): { isFolder: boolean; link: string } {
  const stated: Fields = fields(JSON.parse(Buffer.from(headers['x-docker-container-path-stat'] ?? 'e30=', 'base64').toString('utf8')))
  const mode = stated.number('mode') ?? 0
  // Podman names a target for what is no link, too.
  return { isFolder: has(mode, FOLDER), link: has(mode, LINK) ? stated.text('linkTarget') ?? '' : '' }
}

function limitsOf(room: Room, what: string, { timeout = room.transferTimeout, signal: stop }: Checked): {
  timeout: number; signal: AbortSignal | undefined; limits: { what: string; host: string; timeout: number; signal: AbortSignal | undefined }
} {
  return { timeout, signal: stop, limits: { what, host: room.client.host, timeout, signal: stop } }
}

function reportOf(report: TreeReportRecord | undefined): DockerCopyReport {
  if (report === undefined) throw new TypeError('the engine answered with neither report nor failure')
  return report
}

const invalid = (message: string): InvalidUsageError =>
  new InvalidUsageError({ code: 'EINVAL', kind: 'invalid-usage', phase: 'transfer', reached: false, message })

const missing = (path: string, cause?: unknown): NotFoundError =>
  new NotFoundError({ code: 'ENOENT', kind: 'not-found', phase: 'transfer', reached: false, path, cause, message: `There is no file or directory ${path}` })
