import { InvalidOptionError } from '../../errors'
import { nonEmptyText } from '../../options/checks'
import { checkName } from './where'

/** What a command is to run in, or a port is forwarded to. */
export type Subject = { kind: 'pod'; name: string } | { kind: 'selector'; selector: string } | { kind: Workload; name: string }

export type Workload = 'deployments' | 'services' | 'statefulsets' | 'replicasets'

const KINDS: Readonly<Record<string, 'pod' | Workload>> = {
  pod: 'pod', pods: 'pod', po: 'pod',
  deployment: 'deployments', deployments: 'deployments', deploy: 'deployments', 'deployment.apps': 'deployments', 'deployments.apps': 'deployments',
  service: 'services', services: 'services', svc: 'services',
  statefulset: 'statefulsets', statefulsets: 'statefulsets', sts: 'statefulsets',
  replicaset: 'replicasets', replicasets: 'replicasets', rs: 'replicasets',
}

/** A pod's name, `TYPE/NAME`, or `-l SELECTOR`. */
export function parseSubject(value: unknown, option: string): Subject {
  const given = nonEmptyText(value, option).trim()
  if (given.startsWith('-')) return { kind: 'selector', selector: parseSelector(given, option) }
  const slash = given.indexOf('/')
  if (slash === -1) return { kind: 'pod', name: checkName(given, option) }
  const kind = KINDS[given.slice(0, slash).toLowerCase()]
  if (kind === undefined) throw new InvalidOptionError(option, 'expected a pod\'s name, TYPE/NAME with a pod, deployment, service, statefulset or replicaset, or \'-l SELECTOR\'')
  return { kind, name: checkName(given.slice(slash + 1), option) }
}

/** `-l x`, `-lx`, `--selector=x`, or the selector alone. */
export function parseSelector(value: unknown, option: string): string {
  const given = nonEmptyText(value, option).trim()
  const selector = given.replace(/^(?:-l|--selector)(?:\s*=\s*|\s+)?/, '').trim()
  if (selector === '' || selector.startsWith('-')) throw new InvalidOptionError(option, 'expected a label selector, as \'-l app=web\'')
  return selector
}
