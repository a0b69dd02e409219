import { isUint8Array } from 'node:util/types'
import { InvalidOptionError } from '../errors'
import type {
  ContainerOptions, DockerConnectOptions, DockerExecOptions, DockerPoolOptions, DockerSessionOptions, ExecSessionOptions,
} from '../types'
import { asBuffer, boolean, integer, nonEmptyText, positiveDuration, text } from './checks'
import { clientPoolFields } from './client-pool'
import { type CheckedExecOptions, execFields } from './exec'
import { type Check, describe, shape } from './schema'
import { sessionFields } from './session'
import { type CheckedSpawnOptions, spawnFields } from './spawn'

const pem: Check<string | Buffer> = (value, option) => {
  if (isUint8Array(value)) return asBuffer(value)
  return nonEmptyText(value, option)
}

const tlsFields = shape({ ca: pem, cert: pem, key: pem, verify: boolean, serverName: nonEmptyText })

const tls: Check<DockerConnectOptions['tls']> = (value, option) =>
  (typeof value === 'boolean' ? value : tlsFields(value, option))

const ssh: Check<DockerConnectOptions['ssh']> = (value, option) => {
  if (typeof value !== 'object' || value === null) throw new InvalidOptionError(option, `expected an object, got ${describe(value)}`)
  // It is a target's, and checked as one when it has a host.
  return value
}

const connectFields = {
  socketPath: nonEmptyText, host: nonEmptyText, port: integer(1, 65_535), tls, context: nonEmptyText, ssh,
  timeout: positiveDuration,
}

const poolFields = shape({ ...connectFields, ...clientPoolFields })
const onlyConnect = shape(connectFields)

/** One way to say where it is. */
function consistent<T extends DockerConnectOptions>(options: T): T {
  const ways = (['socketPath', 'host', 'context'] as const).filter((name) => options[name] !== undefined)
  const [first, second] = ways
  if (first !== undefined && second !== undefined) throw new InvalidOptionError(second, `it says where the daemon is, as '${first}' does: give one of them`)
  if (options.port !== undefined && options.host === undefined) throw new InvalidOptionError('port', 'it is of no use without a host')
  if (options.ssh !== undefined && options.host !== undefined && !options.host.startsWith('ssh://')) {
    throw new InvalidOptionError('ssh', 'it is of use for a host like ssh://user@name only')
  }
  return options
}

export function checkDockerConnect(value: unknown): DockerConnectOptions {
  return value === undefined ? {} : consistent(onlyConnect(value, ''))
}

export function checkDockerPool(value: unknown): DockerPoolOptions {
  return value === undefined ? {} : consistent(poolFields(value, ''))
}

const CONTAINER = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/

export function checkContainer(value: unknown): string {
  const container = nonEmptyText(value, 'container')
  if (!CONTAINER.test(container)) {
    throw new InvalidOptionError('container', 'expected a container\'s name or id: letters, digits, _ . and -, the first one a letter or digit')
  }
  return container
}

const absolutePath: Check<string> = (value, option) => {
  if (!nonEmptyText(value, option).startsWith('/')) throw new InvalidOptionError(option, 'expected an absolute path')
  return nonEmptyText(value, option)
}

const containerFields = { user: nonEmptyText, workdir: absolutePath, privileged: boolean }

const execOptions = shape({ ...execFields, ...containerFields })
const spawnOptions = shape({ ...spawnFields, ...containerFields })
const sessionOptions = shape({ ...sessionFields, ...containerFields })

export type CheckedDockerExec = CheckedExecOptions & ContainerOptions
export type CheckedDockerSpawn = CheckedSpawnOptions & ContainerOptions

export function checkDockerExec(value: unknown): CheckedDockerExec {
  return value === undefined ? {} : execOptions(value, '') satisfies Omit<DockerExecOptions, 'pty'>
}

export function checkDockerSpawn(value: unknown): CheckedDockerSpawn {
  return value === undefined ? {} : spawnOptions(value, '')
}

export function checkDockerSession(value: unknown): DockerSessionOptions {
  return value === undefined ? {} : sessionOptions(value, '')
}

const cmd: Check<string | string[]> = (value, option) =>
  (Array.isArray(value) && value.length > 0 ? value.map((word, index) => text(word, `${option}[${index}]`)) : nonEmptyText(value, option))

const assignments: Check<string[]> = (value, option) => {
  if (!Array.isArray(value)) throw new InvalidOptionError(option, `expected an array of 'NAME=value', got ${describe(value)}`)
  return value.map((entry, index) => {
    const assignment = text(entry, `${option}[${index}]`)
    if (!/^[A-Za-z_][A-Za-z0-9_]*=/.test(assignment)) throw new InvalidOptionError(`${option}[${index}]`, 'expected \'NAME=value\'')
    return assignment
  })
}

const execSession = shape({
  AttachStdin: boolean, AttachStdout: boolean, AttachStderr: boolean, Tty: boolean, Cmd: cmd, Env: assignments,
  User: nonEmptyText, WorkingDir: absolutePath, Privileged: boolean,
})

export function checkExecSession(value: unknown): ExecSessionOptions {
  return value === undefined ? {} : execSession(value, '')
}
