import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { InvalidUsageError, NotFoundError } from '../errors'
import type { DockerConnectOptions, DockerTlsOptions } from '../types'

/** The variables that the Docker CLI reads. */
export interface DockerEnvironment {
  readonly DOCKER_HOST?: string | undefined
  readonly DOCKER_CONTEXT?: string | undefined
  readonly DOCKER_CONFIG?: string | undefined
  readonly DOCKER_CERT_PATH?: string | undefined
  readonly DOCKER_TLS_VERIFY?: string | undefined
}

/** Where a daemon is, as far as it was said. */
export type Whereabouts = Pick<DockerConnectOptions, 'socketPath' | 'host' | 'port' | 'tls'>

const DEFAULT: Whereabouts = { socketPath: '/var/run/docker.sock' }

/** The Docker CLI's rules, in its order: an explicit context, DOCKER_HOST, DOCKER_CONTEXT, the current context, the default. */
export function whereabouts(options: DockerConnectOptions, env: DockerEnvironment): Whereabouts {
  const { socketPath, host, port, tls, context } = options
  if (socketPath !== undefined) return { socketPath }
  if (host !== undefined) return { host, ...(port === undefined ? {} : { port }), ...(tls === undefined ? {} : { tls: certificates(tls, env) }) }
  if (context !== undefined) return ofContext(context, env, 'the option \'context\'')
  if (isSet(env.DOCKER_HOST)) {
    return { host: env.DOCKER_HOST, ...(isSet(env.DOCKER_TLS_VERIFY) ? { tls: certificates(true, env) } : {}) }
  }
  if (isSet(env.DOCKER_CONTEXT)) return ofContext(env.DOCKER_CONTEXT, env, 'DOCKER_CONTEXT')
  const current = currentContext(env)
  return current === undefined ? DEFAULT : ofContext(current, env, join(configFolder(env), 'config.json'))
}

const isSet = (value: string | undefined): value is string => value !== undefined && value !== ''

export function configFolder(env: DockerEnvironment): string {
  return isSet(env.DOCKER_CONFIG) ? env.DOCKER_CONFIG : join(homedir(), '.docker')
}

function currentContext(env: DockerEnvironment): string | undefined {
  const file = join(configFolder(env), 'config.json')
  if (!existsSync(file)) return undefined
  const { currentContext: name } = readJson(file) as { currentContext?: unknown }
  return typeof name === 'string' && name !== '' ? name : undefined
}

function ofContext(name: string, env: DockerEnvironment, place: string): Whereabouts {
  if (name === 'default') return DEFAULT
  // The CLI's own naming.
  const folder = createHash('sha256').update(name).digest('hex')
  const file = join(configFolder(env), 'contexts', 'meta', folder, 'meta.json')
  if (!existsSync(file)) {
    throw new NotFoundError({
      code: 'EDOCKERCONTEXT', kind: 'not-found', phase: 'queue', reached: false, path: file,
      message: `There is no Docker context '${name}', which ${place} names: see docker context ls`,
    })
  }
  const meta = readJson(file) as { Endpoints?: { docker?: { Host?: unknown; SkipTLSVerify?: unknown } } }
  const { Host: host, SkipTLSVerify: skip } = meta.Endpoints?.docker ?? {}
  if (typeof host !== 'string' || host === '') throw broken(file, 'it names no host', undefined)
  const tls = contextCertificates(join(configFolder(env), 'contexts', 'tls', folder, 'docker'), skip !== true)
  return { host, ...(tls === undefined ? {} : { tls }) }
}

/** A context has TLS when it has files for it. */
function contextCertificates(folder: string, verify: boolean): DockerTlsOptions | undefined {
  const found = filesIn(folder)
  return Object.keys(found).length === 0 ? undefined : { ...found, verify }
}

function filesIn(folder: string): Pick<DockerTlsOptions, 'ca' | 'cert' | 'key'> {
  const names = ['ca', 'cert', 'key'] as const
  return Object.fromEntries(names.map((name) => [name, join(folder, `${name}.pem`)] as const).filter(([, file]) => existsSync(file)))
}

/** `true` means the files where the CLI has them. */
function certificates(tls: boolean | DockerTlsOptions, env: DockerEnvironment): boolean | DockerTlsOptions {
  if (tls !== true) return tls
  return filesIn(isSet(env.DOCKER_CERT_PATH) ? env.DOCKER_CERT_PATH : configFolder(env))
}

function readJson(file: string): unknown {
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw broken(file, 'it cannot be read as JSON', cause)
  }
  if (typeof parsed !== 'object' || parsed === null) throw broken(file, 'it holds no object', undefined)
  return parsed
}

function broken(file: string, problem: string, cause: unknown): InvalidUsageError {
  return new InvalidUsageError({
    code: 'EDOCKERCONTEXT', kind: 'invalid-usage', phase: 'queue', reached: false, path: file, cause,
    message: `Cannot use the Docker configuration ${file}: ${problem}`,
  })
}
