import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { type DockerTargetSpec, type HostSettings, NativeDockerTarget, type TlsSpec } from '../binding'
import { InvalidOptionError, NotFoundError } from '../errors'
import type { DockerConnectOptions, DockerTlsOptions } from '../types'
import { type Whereabouts, whereabouts } from './context'

/** A daemon on the other side of an SSH connection. */
export interface OverSSH {
  host: string
  port?: number
  username?: string
  /** The daemon's socket there. */
  socketPath: string
}

/** At once, unless files of ssh's have to be read for it. */
export type TargetOrPromise = NativeDockerTarget | Promise<NativeDockerTarget>

/** How a target with an `ssh://` host is made. */
export type SSHBridge = (over: OverSSH, options: DockerConnectOptions, settings: HostSettings, timeout: number) => TargetOrPromise

const DEFAULT_TIMEOUT = 30_000

/** The daemon that the options mean, with its certificates read. Bad ones are refused here, before anything is dialed. */
export function dockerTarget(options: DockerConnectOptions, settings: HostSettings, bridge: SSHBridge): TargetOrPromise {
  const timeout = options.timeout ?? DEFAULT_TIMEOUT
  const where = located(whereabouts(options, process.env))
  if ('over' in where) return bridge(where.over, options, settings, timeout)
  const spec: DockerTargetSpec = { ...where.spec, timeout, settings }
  try {
    return new NativeDockerTarget(spec)
  } catch (cause) {
    throw new InvalidOptionError('tls', cause instanceof Error ? cause.message : String(cause))
  }
}

type Located = { spec: Pick<DockerTargetSpec, 'socketPath' | 'host' | 'port' | 'tls'> } | { over: OverSSH }

function located({ socketPath, host = '', port, tls }: Whereabouts): Located {
  if (socketPath !== undefined) return { spec: { socketPath } }
  if (!host.includes('://')) return tcp(host, port, tls ?? false)
  return byURL(parsed(host), host, { port, tls })
}

function byURL(url: URL, host: string, { port, tls = false }: { port: number | undefined, tls: Whereabouts['tls'] | undefined }): Located {
  const named = portOf(url) ?? port
  switch (url.protocol) {
    case 'unix:': return { spec: { socketPath: decodeURIComponent(host.slice('unix://'.length)) } }
    case 'ssh:': return { over: overSSH(url) }
    case 'https:': return tcp(url.hostname, named ?? 443, tls === false ? {} : tls)
    case 'tcp:': case 'http:': return tcp(url.hostname, named, tls)
    default: throw new InvalidOptionError('host', `expected unix://, tcp://, http://, https:// or ssh://, got ${url.protocol}//`)
  }
}

function parsed(host: string): URL {
  // A socket's path needs no host, which other schemes must have.
  if (host.startsWith('unix://')) return new URL('unix://socket')
  let url: URL
  try {
    url = new URL(host)
  } catch {
    throw new InvalidOptionError('host', 'it is no URL')
  }
  if (url.hostname === '') throw new InvalidOptionError('host', 'the URL names no host')
  if (url.password !== '') throw new InvalidOptionError('host', 'a password does not belong into a URL: give it as ssh: { password }')
  return url
}

const portOf = (url: URL): number | undefined => (url.port === '' ? undefined : Number(url.port))

function tcp(host: string, port: number | undefined, tls: boolean | DockerTlsOptions): Located {
  // URLs put IPv6 addresses into brackets.
  const name = host.replace(/^\[(.*)\]$/, '$1')
  return { spec: { host: name, port: port ?? (tls === false ? 2375 : 2376), ...(tls === false ? {} : { tls: tlsSpec(tls) }) } }
}

function overSSH(url: URL): OverSSH {
  const port = portOf(url)
  return {
    host: url.hostname,
    ...(port === undefined ? {} : { port }),
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    socketPath: url.pathname === '' || url.pathname === '/' ? '/var/run/docker.sock' : decodeURIComponent(url.pathname),
  }
}

function tlsSpec(tls: boolean | DockerTlsOptions): TlsSpec {
  const { ca, cert, key, verify = true, serverName } = typeof tls === 'boolean' ? {} : tls
  return { ca: pem(ca, 'tls.ca'), cert: pem(cert, 'tls.cert'), key: pem(key, 'tls.key'), verify, serverName }
}

/** Text, or the file that holds it. */
function pem(value: string | Buffer | undefined, option: string): Buffer | undefined {
  if (value === undefined || Buffer.isBuffer(value)) return value
  if (value.includes('-----BEGIN')) return Buffer.from(value)
  const path = value.replace(/^~(?=\/)/, homedir())
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new NotFoundError({
      code: 'ETLS', kind: 'not-found', phase: 'queue', reached: false, path, cause,
      message: `Cannot read the file that '${option}' names: ${path}`,
    })
  }
}
