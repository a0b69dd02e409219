import { readFile, stat } from 'node:fs/promises'
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { NativePacking } from '../../binding'
import { InvalidOptionError, XecNativeError } from '../../errors'
import { boolean, nonEmptyText, oneOf, textOrBytes } from '../../options/checks'
import { type Check, describe, shape } from '../../options/schema'
import { chooseBuilder } from './buildkit/choice'
import { Printer } from './buildkit/printer'
import { BuildSession } from './buildkit/session'
import { decodeTrace } from './buildkit/trace'
import { texts } from './container-spec'
import { allRegistries, storedLogin } from './credentials'
import { type Cut, withDeadline } from './deadline'
import { follow, progressOf } from './progress'
import { parseReference } from './reference'
import type { Room } from './room'
import { callback, transferFields } from './transfer-options'
import { send } from './send'
import type { DockerProgress } from './types'

const onOutput: Check<(text: string) => void> = (value, option) => callback(value, option)

const secrets: Check<Map<string, Buffer>> = (value, option) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new InvalidOptionError(option, `expected an object, got ${describe(value)}`)
  return new Map(Object.entries(value).map(([id, secret]) => [id, Buffer.from(textOrBytes(secret, `${option}.${id}`))]))
}

const checkBuild = shape({
  ...transferFields, tag: nonEmptyText, dockerfile: nonEmptyText, context: nonEmptyText, buildArgs: texts, target: nonEmptyText,
  noCache: boolean, pull: boolean, platform: nonEmptyText, labels: texts, onOutput, network: nonEmptyText,
  builder: oneOf('classic', 'buildkit'), secrets,
})

type Checked = ReturnType<typeof checkBuild>

const FAILED = { code: 'EBUILD', kind: 'command-failed' } as const

/** Builds by BuildKit or by the daemon's classic builder. Resolves with the image's id. */
export async function buildImage(room: Room, options: unknown): Promise<string> {
  const checked = checkBuild(options, '')
  const { timeout = room.transferTimeout, signal } = checked
  const { repository, tag = 'latest' } = parseReference(checked.tag, 'tag')
  const context = await contextOf(checked)
  const builder = await chooseBuilder(room, checked.builder)
  if (builder === 'classic' && checked.secrets !== undefined) {
    throw new InvalidOptionError('secrets', 'the classic builder has none: builder \'buildkit\' is needed')
  }
  const host = room.client.host
  return withDeadline({ what: `Building ${repository}:${tag}`, host, timeout, signal }, async (cut) => {
    const packing = packContext(context, host)
    const session = builder === 'buildkit' ? await openSession(room, checked, cut) : undefined
    try {
      const headers = { 'content-type': 'application/x-tar', ...(session === undefined ? { 'x-registry-config': await allRegistries() } : {}) }
      const query = { ...queryOf(checked, context, session), t: `${repository}:${tag}` }
      const exchange = cut.closes(room.client.exchange('POST', '/build', { query, headers, upload: true, timeout, signal }))
      await send(packing, exchange)
      await exchange.head
      return await idOf(exchange, checked, host)
    } finally {
      session?.close()
      await packing.close()
    }
  })
}

/** BuildKit asks for logins and secrets when it needs them. */
function openSession({ client }: Room, checked: Checked, cut: Cut): Promise<BuildSession> {
  return BuildSession.open(client, { login: storedLogin, secrets: checked.secrets ?? new Map() }, (line) => { cut.closes(line) })
}

async function idOf(exchange: Parameters<typeof follow>[0], { onOutput: print, onProgress }: Checked, host: string): Promise<string> {
  const printer = new Printer({ print, progress: onProgress })
  let id: string | undefined
  await follow(exchange, {
    host, otherwise: FAILED,
    onMessage: (message) => {
      // BuildKit's messages say by their id what they are.
      if (message.text('id') === 'moby.buildkit.trace') printer.tell(traceOf(message.text('aux'), host))
      const line = message.text('stream')
      if (line !== undefined) print?.(line)
      const progress: DockerProgress | undefined = progressOf(message)
      if (progress !== undefined) onProgress?.(progress)
      id = message.object('aux').text('ID') ?? id
    },
  })
  if (id !== undefined) return id
  throw new XecNativeError({ ...FAILED, phase: 'run', host, reached: true, message: 'The daemon ended the build without an image' })
}

function traceOf(text: string | undefined, host: string): ReturnType<typeof decodeTrace> {
  try {
    return decodeTrace(Buffer.from(text ?? '', 'base64'))
  } catch (cause) {
    throw new XecNativeError({
      code: 'EPROTO', kind: 'unknown', phase: 'run', host, reached: true, cause, message: 'The daemon tells the build\'s progress in a way that cannot be read',
    })
  }
}

function queryOf(
  { buildArgs, target, noCache, pull, platform, labels, network }: Checked, { dockerfile }: Context, session: BuildSession | undefined,
): Record<string, string | boolean | undefined> {
  const asJson = (values: Record<string, string> | undefined): string | undefined => (values === undefined ? undefined : JSON.stringify(values))
  return {
    dockerfile, buildargs: asJson(buildArgs), target, nocache: noCache, pull: pull === true ? '1' : undefined, platform,
    labels: asJson(labels), rm: true, forcerm: true, networkmode: network, ...(session === undefined ? {} : { version: '2', session: session.id }),
  }
}

interface Context {
  root: string
  /** Its name within what is sent. */
  dockerfile: string
  /** Sent along, because it lies outside. */
  outside?: Buffer
  ignore: string
}

async function contextOf({ context = '.', dockerfile = 'Dockerfile' }: Checked): Promise<Context> {
  const root = resolve(context)
  const isFolder = await stat(root).then((found) => found.isDirectory(), () => false)
  if (!isFolder) throw new InvalidOptionError('context', `expected a directory: ${context}`)
  const file = isAbsolute(dockerfile) ? dockerfile : join(root, dockerfile)
  const content = await optional(file)
  if (content === undefined) throw new InvalidOptionError('dockerfile', `there is no file ${file}`)
  const inside = relative(root, file)
  const isOutside = inside.startsWith('..') || isAbsolute(inside)
  // A Dockerfile may have a file of its own for what to leave out.
  const ignore = await optional(`${file}.dockerignore`) ?? await optional(join(root, '.dockerignore'))
  return {
    root, ignore: ignore?.toString('utf8') ?? '',
    ...(isOutside ? { dockerfile: `.xec-${basename(file)}`, outside: content } : { dockerfile: inside.split(sep).join('/') }),
  }
}

async function optional(file: string): Promise<Buffer | undefined> {
  return readFile(file).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined
    throw error
  })
}

function packContext({ root, dockerfile, outside, ignore }: Context, host: string): NativePacking {
  try {
    return new NativePacking({
      root, ignore, host, keep: [dockerfile, '.dockerignore'],
      ...(outside === undefined ? {} : { extra: [{ name: dockerfile, content: outside }] }),
    })
  } catch (cause) {
    throw new InvalidOptionError('.dockerignore', cause instanceof Error ? cause.message : String(cause))
  }
}
