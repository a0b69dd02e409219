import { goJson } from './go-json'
import { type JsonPath, evaluate, parseJsonPath } from './jsonpath'

/** How `get` prints. Tables, YAML and templates are the real kubectl's. */
export type Output = { kind: 'json' } | { kind: 'name' } | { kind: 'jsonpath'; path: JsonPath }

const JSONPATH = 'jsonpath='

export function outputOf(text: string | undefined): Output | undefined {
  if (text === 'json' || text === 'name') return { kind: text }
  if (text?.startsWith(JSONPATH) !== true) return undefined
  const path = parseJsonPath(text.slice(JSONPATH.length))
  return path === undefined ? undefined : { kind: 'jsonpath', path }
}

interface ApiObject { apiVersion?: string; kind?: string; metadata?: { name?: string }; items?: ApiObject[] }

/** An answer of the API as kubectl prints it. `shown`: what the kind is called before a name. */
export function printed(answer: ApiObject, output: Output, shown: string): string {
  if (output.kind === 'name') return (answer.items ?? [answer]).map(({ metadata }) => `${shown}/${metadata?.name ?? ''}\n`).join('')
  const whole = answer.items === undefined ? answer : listOf(answer, answer.items)
  if (output.kind === 'jsonpath') return evaluate(output.path, whole)
  return `${goJson(sorted(whole), 4)}\n`
}

/** kubectl makes lists of its own, whose items say what they are. */
function listOf({ apiVersion, kind = '' }: ApiObject, items: ApiObject[]): object {
  const own = { apiVersion, kind: kind.replace(/List$/, '') }
  return { apiVersion: 'v1', items: items.map((item) => ({ ...own, ...item })), kind: 'List', metadata: { resourceVersion: '' } }
}

/** With keys in order, as Go prints them. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)).map(([key, entry]) => [key, sorted(entry)]))
}
