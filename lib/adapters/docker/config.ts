import { anything, boolean, duration, integer, nonEmptyText } from '../../options/checks'
import { type Check, shape } from '../../options/schema'
import { InvalidOptionError } from '../../errors'
import { ADAPTER_DEFAULTS, type AdapterConfig, type AlwaysGiven, adapterFields } from '../config'
import { listOf } from './container-spec'
import { checkBind } from './volumes-and-ports'

/** In the API's words, as @xec-sh/core has it. */
export interface DockerDefaultExecOptions {
  User?: string
  WorkingDir?: string
  /** `NAME=value` */
  Env?: string[]
  Privileged?: boolean
  /** Accepted without effect: a command's own options say what it is attached to. */
  AttachStdin?: boolean
  AttachStdout?: boolean
  AttachStderr?: boolean
  /** false; true: commands have a terminal */
  Tty?: boolean
}

export interface DockerAutoCreateOptions {
  /** false; true: a command for a container that is missing gets a temporary one */
  enabled?: boolean
  /** 'alpine:latest' */
  image?: string
  /** true: `dispose()` removes it */
  autoRemove?: boolean
  volumes?: string[]
}

export interface DockerAdapterConfig extends AdapterConfig {
  /** true: `sh` runs commands; a name: that shell; false: none, and a command is a program with its arguments */
  defaultShell?: string | boolean
  /** The daemon's socket. Without it and `host`, the daemon that the CLI would use (DOCKER_HOST, DOCKER_CONTEXT, its files). */
  socketPath?: string
  /** As DOCKER_HOST has it, or a host's name together with `port`. */
  host?: string
  port?: number
  /** Accepted without effect: the version is negotiated. */
  version?: string
  defaultExecOptions?: DockerDefaultExecOptions
  autoCreate?: DockerAutoCreateOptions
  /** 60_000 milliseconds for what a daemon answers at once; 0 = no limit */
  managementTimeout?: number
  /** 600_000 milliseconds for builds, pulls, pushes, copies and compose; 0 = no limit */
  transferTimeout?: number
}

const variable: Check<string> = (value, option) => {
  const entry = nonEmptyText(value, option)
  if (!/^[A-Za-z_][A-Za-z0-9_]*=/.test(entry)) throw new InvalidOptionError(option, 'expected \'NAME=value\'')
  return entry
}

const bind: Check<string> = (value, option) => checkBind(nonEmptyText(value, option), option)

const checkConfig = shape({
  ...adapterFields,
  socketPath: nonEmptyText,
  host: nonEmptyText,
  port: integer(1, 65_535),
  version: anything,
  defaultExecOptions: shape({
    User: nonEmptyText, WorkingDir: nonEmptyText, Env: listOf(variable), Privileged: boolean,
    AttachStdin: boolean, AttachStdout: boolean, AttachStderr: boolean, Tty: boolean,
  }),
  autoCreate: shape({ enabled: boolean, image: nonEmptyText, autoRemove: boolean, volumes: listOf(bind) }),
  managementTimeout: duration,
  transferTimeout: duration,
})

export function checkDockerConfig(value: unknown): DockerAdapterConfig {
  const { version, ...checked } = checkConfig(value, '')
  if (checked.socketPath !== undefined && checked.host !== undefined) {
    throw new InvalidOptionError('socketPath', 'give it or \'host\', not both')
  }
  return { ...checked, ...(typeof version === 'string' ? { version } : {}) }
}

export type ResolvedDockerConfig = DockerAdapterConfig & Required<Pick<DockerAdapterConfig,
  AlwaysGiven | 'defaultShell' | 'managementTimeout' | 'transferTimeout'>> & { autoCreate: Required<Omit<DockerAutoCreateOptions, 'volumes'>> & Pick<DockerAutoCreateOptions, 'volumes'> }

export const DEFAULT_DOCKER_CONFIG: ResolvedDockerConfig = {
  ...ADAPTER_DEFAULTS,
  defaultShell: true,
  autoCreate: { enabled: false, image: 'alpine:latest', autoRemove: true },
  managementTimeout: 60_000,
  transferTimeout: 600_000,
}

/** `changes` over `current`; groups of options are merged, not replaced. */
export function mergeDockerConfig(current: ResolvedDockerConfig, changes: DockerAdapterConfig): ResolvedDockerConfig {
  return {
    ...current,
    ...changes,
    sensitiveDataMasking: { ...current.sensitiveDataMasking, ...changes.sensitiveDataMasking },
    defaultExecOptions: { ...current.defaultExecOptions, ...changes.defaultExecOptions },
    autoCreate: { ...current.autoCreate, ...changes.autoCreate },
  }
}

/** Where the daemon is, as DOCKER_HOST has it; `undefined`: where the CLI would look. */
export function daemonHost({ socketPath, host, port }: DockerAdapterConfig): string | undefined {
  if (socketPath !== undefined) return socketPath.includes('://') ? socketPath : `unix://${socketPath}`
  if (host === undefined) return undefined
  if (host.includes('://')) return host
  return `tcp://${host}:${port ?? 2375}`
}
