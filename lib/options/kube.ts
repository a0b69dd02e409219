import { delimiter } from 'node:path'
import { InvalidOptionError } from '../errors'
import type {
  FollowLogOptions, KubernetesContextOptions, KubernetesForwardOptions, KubernetesPoolOptions, PodListOptions, LogOptions,
  PodCopyOptions, PodOptions, PodRef, PodSessionOptions, WaitForPodOptions,
} from '../types'
import { boolean, duration, hostName, integer, nonEmptyText, oneOf, positiveDuration } from './checks'
import { clientPoolFields } from './client-pool'
import { type CheckedExecOptions, execFields, signal } from './exec'
import { type Check, describe, shape } from './schema'
import { sessionFields } from './session'
import { type CheckedSpawnOptions, spawnFields } from './spawn'

const NAME = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/

/** A name as the API has them: it goes into paths. */
const name: Check<string> = (value, option) => {
  if (!NAME.test(nonEmptyText(value, option)) || nonEmptyText(value, option).length > 253) {
    throw new InvalidOptionError(option, 'expected a name: small letters, digits, - and ., beginning and ending with a letter or digit')
  }
  return nonEmptyText(value, option)
}

const files: Check<string[]> = (value, option) => {
  if (Array.isArray(value)) return value.map((file, index) => nonEmptyText(file, `${option}[${index}]`))
  return nonEmptyText(value, option).split(delimiter).filter((file) => file !== '')
}

const contextFields = { kubeconfig: files, context: nonEmptyText, cluster: nonEmptyText, user: nonEmptyText, namespace: name }

export interface CheckedKubernetesContext extends Omit<KubernetesContextOptions, 'kubeconfig'> {
  kubeconfig?: string[]
}

const contextOptions = shape(contextFields)

export function checkKubernetesContext(value: unknown): CheckedKubernetesContext {
  return value === undefined ? {} : contextOptions(value, '')
}

const poolFields = shape({ ...contextFields, ...clientPoolFields, timeout: positiveDuration })
export type CheckedKubernetesPool = Omit<KubernetesPoolOptions, 'kubeconfig'> & CheckedKubernetesContext

export function checkKubernetesPool(value: unknown): CheckedKubernetesPool {
  return value === undefined ? {} : poolFields(value, '')
}

const podRef = shape({ selector: nonEmptyText })

export function checkPod(value: unknown): PodRef {
  if (typeof value !== 'object' || value === null) return name(value, 'pod')
  const { selector } = podRef(value, 'pod')
  if (selector === undefined) throw new InvalidOptionError('pod.selector', 'it is missing')
  return { selector }
}

export const checkPodName = (value: unknown): string => name(value, 'pod')

const podFields = { namespace: name, container: name }

const execOptions = shape({ ...execFields, ...podFields })
const spawnOptions = shape({ ...spawnFields, ...podFields })
const sessionOptions = shape({ ...sessionFields, ...podFields })

export type CheckedPodExec = CheckedExecOptions & PodOptions
export type CheckedPodSpawn = CheckedSpawnOptions & PodOptions

export function checkPodExec(value: unknown): CheckedPodExec {
  return value === undefined ? {} : execOptions(value, '')
}

export function checkPodSpawn(value: unknown): CheckedPodSpawn {
  return value === undefined ? {} : spawnOptions(value, '')
}

export function checkPodSession(value: unknown): PodSessionOptions {
  return value === undefined ? {} : sessionOptions(value, '')
}

const time: Check<string> = (value, option) => {
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString().replace(/\.\d+Z$/, 'Z')
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value) && !Number.isNaN(Date.parse(value))) return value
  throw new InvalidOptionError(option, `expected a Date or a time like 2026-01-31T12:00:00Z, got ${describe(value)}`)
}

const logFields = {
  ...podFields, allContainers: boolean, tail: integer(0, Number.MAX_SAFE_INTEGER), since: integer(1, Number.MAX_SAFE_INTEGER),
  sinceTime: time, previous: boolean, timestamps: boolean, limitBytes: integer(1, Number.MAX_SAFE_INTEGER), signal,
}
const logOptions = shape(logFields)
const followOptions = shape({ ...logFields, follow: boolean })

export type CheckedLogs = Omit<LogOptions, 'sinceTime'> & { sinceTime?: string }

function consistent<T extends CheckedLogs>(options: T): T {
  if (options.since !== undefined && options.sinceTime !== undefined) throw new InvalidOptionError('sinceTime', 'it says what \'since\' says: give one of them')
  if (options.container !== undefined && options.allContainers === true) throw new InvalidOptionError('container', 'it is of no use with \'allContainers\'')
  return options
}

export function checkPodLogs(value: unknown): CheckedLogs {
  return value === undefined ? {} : consistent(logOptions(value, ''))
}

export function checkFollowLogs(value: unknown): CheckedLogs & Pick<FollowLogOptions, 'follow'> {
  return value === undefined ? {} : consistent(followOptions(value, ''))
}

const listOptions = shape({ namespace: name, allNamespaces: boolean, selector: nonEmptyText, fieldSelector: nonEmptyText, signal })

export function checkListPods(value: unknown): PodListOptions {
  return value === undefined ? {} : listOptions(value, '')
}

const waitOptions = shape({ namespace: name, for: oneOf('ready', 'running', 'deleted', 'succeeded'), timeout: duration, signal })

export function checkWaitForPod(value: unknown): WaitForPodOptions {
  return value === undefined ? {} : waitOptions(value, '')
}

export interface ForwardTarget {
  kind: 'pod' | 'service' | 'deployment'
  name: string
}

const KINDS: Record<string, ForwardTarget['kind']> = {
  pod: 'pod', pods: 'pod', po: 'pod', service: 'service', services: 'service', svc: 'service',
  deployment: 'deployment', deployments: 'deployment', deploy: 'deployment',
}

export function checkForwardTarget(value: unknown): ForwardTarget {
  const [first = '', second] = nonEmptyText(value, 'target').split('/', 2)
  if (second === undefined) return { kind: 'pod', name: name(first, 'target') }
  const kind = KINDS[first]
  if (kind === undefined) throw new InvalidOptionError('target', 'expected a pod\'s name, service/NAME or deployment/NAME')
  return { kind, name: name(second, 'target') }
}

const forwardOptions = shape({ local: integer(0, 65_535), remote: integer(1, 65_535), localHost: hostName, namespace: name, signal })

export function checkPortForward(value: unknown): KubernetesForwardOptions {
  const { remote, ...rest } = forwardOptions(value, '')
  if (remote === undefined) throw new InvalidOptionError('remote', 'it says which port is meant: give one from 1 to 65535')
  return { remote, ...rest }
}

const copyOptions = shape({ ...podFields, timeout: duration, signal })

export function checkPodCopy(value: unknown): PodCopyOptions {
  return value === undefined ? {} : copyOptions(value, '')
}

export function checkCopyPath(value: unknown, option: string): string {
  return nonEmptyText(value, option)
}
