import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { type FailureKind, InvalidOptionError, XecNativeError } from '../../errors'
import { DOCKER_HUB } from './reference'
import { type Fields, fields } from './shape-of'
import type { RegistryAuth } from './types'

/** Where the CLI keeps what `docker login` learned. */
const configFile = (): string => join(process.env['DOCKER_CONFIG'] ?? join(homedir(), '.docker'), 'config.json')

/** A helper asks a keyring, which may ask a person. */
const HELPER_LIMIT = 30_000

const HELPER_NAME = /^[A-Za-z0-9_.-]+$/

/** The header by which a daemon learns who we are at a registry. Without a login it says just that. */
export async function registryHeader(registry: string, given: RegistryAuth | undefined): Promise<string> {
  const auth = given ?? await storedAuth(await config(), registry)
  return encode(auth === undefined ? {} : wireForm(auth, registry))
}

/** For builds, whose base images may come from anywhere: every login that is written in the file itself. */
export async function allRegistries(): Promise<string> {
  const found = await config()
  const known: Record<string, object> = {}
  for (const [registry] of found.object('auths').entries()) {
    // A helper that fails for one registry is no reason not to build from another; what needs it is refused there.
    const auth = await storedAuth(found, registry).catch(() => undefined)
    if (auth !== undefined) known[registry] = wireForm(auth, registry)
  }
  return encode(known)
}

/** What is known about one registry, asked of a helper where config.json names one. */
export async function storedLogin(registry: string): Promise<RegistryAuth | undefined> {
  return storedAuth(await config(), registry)
}

/** The alphabet for URLs, with the padding that `base64url` leaves out and podman wants. */
const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64').replaceAll('+', '-').replaceAll('/', '_')

function wireForm(auth: RegistryAuth, registry: string): object {
  if ('identityToken' in auth) return { identitytoken: auth.identityToken, serveraddress: registry }
  return { username: auth.username, password: auth.password, serveraddress: registry }
}

async function config(): Promise<Fields> {
  const file = configFile()
  try {
    return fields(JSON.parse(await readFile(file, 'utf8')))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return fields({})
    // The text may hold secrets, and a parser's error quotes it.
    throw unusable('invalid-usage', `Cannot read ${file}`, { path: file })
  }
}

async function storedAuth(found: Fields, registry: string): Promise<RegistryAuth | undefined> {
  const helper = found.object('credHelpers').text(registry) ?? found.text('credsStore')
  if (helper !== undefined) return askHelper(helper, registry)
  const entry = found.object('auths').entries().find(([name]) => hostOf(name) === hostOf(registry))
  if (entry === undefined) return undefined
  const stored = fields(entry[1])
  const identityToken = stored.text('identitytoken')
  if (identityToken !== undefined && identityToken !== '') return { identityToken }
  const [username, ...password] = Buffer.from(stored.text('auth') ?? '', 'base64').toString('utf8').split(':')
  return username === undefined || username === '' ? undefined : { username, password: password.join(':').replace(/\0+$/, '') }
}

/** Older files have a scheme and a path. */
const hostOf = (registry: string): string => (registry === DOCKER_HUB ? 'index.docker.io' : registry.replace(/^https?:\/\//, '').replace(/\/.*$/, ''))

async function askHelper(helper: string, registry: string): Promise<RegistryAuth | undefined> {
  if (!HELPER_NAME.test(helper)) throw new InvalidOptionError('credsStore', 'the name of a credential helper has letters, digits, _ . and -')
  const program = `docker-credential-${helper}`
  const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'ignore'], timeout: HELPER_LIMIT, killSignal: 'SIGKILL' })
  let answer = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { answer += text })
  // One that does not read is judged by how it ends.
  child.stdin.on('error', () => undefined).end(registry)
  const [code] = await once(child, 'close').catch((cause: unknown) => {
    throw unusable('authentication', `Cannot run ${program}, which Docker's config.json names`, { cause })
  }) as [number | null]
  if (code !== 0) {
    if (answer.includes('credentials not found')) return undefined
    throw unusable('authentication', `${program} ended with ${code ?? 'a signal'}`)
  }
  const found = parsedAnswer(answer, program)
  const [username, secret] = [found.text('Username') ?? '', found.text('Secret') ?? '']
  return username === '<token>' ? { identityToken: secret } : { username, password: secret }
}

/** Without a cause: a parser's error would quote the secret. */
function parsedAnswer(answer: string, program: string): Fields {
  try {
    return fields(JSON.parse(answer))
  } catch {
    throw unusable('authentication', `${program} answered with something else than JSON`)
  }
}

function unusable(kind: FailureKind, message: string, more: { path?: string; cause?: unknown } = {}): XecNativeError {
  return new XecNativeError({ code: 'EDOCKERCONFIG', kind, phase: 'authenticate', reached: false, message, ...more })
}
