import type { KubernetesContext } from '../../kube'
import { InvalidUsageError, XecNativeError } from '../../errors'
import type { Subject, Workload } from './subject'

/** What the client takes for a pod. */
export type PodRef = string | { selector: string }

export interface Asking {
  /** Milliseconds; 0 = no limit */
  timeout: number
  signal?: AbortSignal | undefined
}

const GROUPS: Readonly<Record<Workload, string>> = {
  deployments: '/apis/apps/v1', statefulsets: '/apis/apps/v1', replicasets: '/apis/apps/v1', services: '/api/v1',
}

/** A workload is looked up: its selector says which pods are its own. */
export async function refOf(client: KubernetesContext, subject: Subject, asking: Asking): Promise<PodRef> {
  if (subject.kind === 'pod') return subject.name
  if (subject.kind === 'selector') return { selector: subject.selector }
  const path = `${GROUPS[subject.kind]}/namespaces/${encodeURIComponent(client.namespace)}/${subject.kind}/${subject.name}`
  const { body } = await client.request('GET', path, limits(asking))
  return { selector: selectorOf(json(body) as WorkloadObject, subject.kind, subject.name) }
}

/** What an API server answered. */
export function json(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (cause) {
    throw new XecNativeError({ code: 'EPROTO', kind: 'unknown', phase: 'run', reached: true, cause, message: 'What the API server answered is no JSON' })
  }
}

export const limits = ({ timeout, signal }: Asking): { timeout: number; signal?: AbortSignal } => ({ timeout, ...(signal === undefined ? {} : { signal }) })

interface Expression { key: string; operator: string; values?: string[] }

/** The part of it that is looked at. */
interface WorkloadObject {
  spec?: { selector?: Record<string, unknown> & { matchLabels?: Record<string, string>; matchExpressions?: Expression[] } }
}

function selectorOf({ spec: { selector = {} } = {} }: WorkloadObject, kind: Workload, name: string): string {
  // A service's selector is the labels themselves.
  const labels = kind === 'services' ? selector as Record<string, string> : selector.matchLabels ?? {}
  const expressions = kind === 'services' ? [] : selector.matchExpressions ?? []
  const terms = [...Object.entries(labels).map(([key, value]) => `${key}=${value}`), ...expressions.map(termOf)]
  if (terms.length > 0) return terms.join(',')
  throw new InvalidUsageError({
    code: 'ENOPOD', kind: 'not-found', phase: 'open-channel', reached: true, message: `${kind} "${name}" selects no pods`,
  })
}

function termOf({ key, operator, values = [] }: Expression): string {
  if (operator === 'Exists') return key
  if (operator === 'DoesNotExist') return `!${key}`
  return `${key} ${operator === 'NotIn' ? 'notin' : 'in'} (${values.join(',')})`
}
