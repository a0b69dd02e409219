import { NotFoundError } from '../../../errors'
import { goJson } from './go-json'

type Step = { kind: 'key'; name: string } | { kind: 'index'; index: number } | { kind: 'all' } | { kind: 'filter'; path: string[]; value: string }

/** Text, and paths whose values stand in it. */
export type JsonPath = (string | Step[])[]

const STEP = /\.([A-Za-z_][\w-]*)|\['((?:[^'\\]|\\.)+)'\]|\[(-?\d+)\]|(\[\*\]|\.\*)|\[\?\(@((?:\.[A-Za-z_]\w*)+)\s*==\s*(?:"([^"]*)"|'([^']*)')\)\]/gy

/** The part of kubectl's JSONPath that programs use: keys, indices, `[*]` and `[?(@.a=="b")]`. `undefined` for anything else. */
export function parseJsonPath(template: string): JsonPath | undefined {
  const parts: JsonPath = []
  const text = template.startsWith('{') || !template.startsWith('.') ? template : `{${template}}`
  let at = 0
  while (at < text.length) {
    const open = text.indexOf('{', at)
    if (open === -1) return [...parts, text.slice(at)]
    if (open > at) parts.push(text.slice(at, open))
    const close = text.indexOf('}', open)
    const steps = close === -1 ? undefined : stepsOf(text.slice(open + 1, close))
    if (steps === undefined) return undefined
    parts.push(steps)
    at = close + 1
  }
  return parts
}

function stepsOf(path: string): Step[] | undefined {
  const source = path.replace(/^\$/, '')
  const steps: Step[] = []
  let end = 0
  for (const match of source.matchAll(STEP)) {
    steps.push(stepOf(match))
    end = match.index + match[0].length
  }
  return end === source.length && steps.length > 0 ? steps : undefined
}

function stepOf([, name, quoted, index, all, filtered, double, single]: RegExpExecArray): Step {
  if (all !== undefined) return { kind: 'all' }
  if (index !== undefined) return { kind: 'index', index: Number(index) }
  if (filtered !== undefined) return { kind: 'filter', path: filtered.slice(1).split('.'), value: double ?? single ?? '' }
  return { kind: 'key', name: name ?? (quoted ?? '').replaceAll(/\\(.)/g, '$1') }
}

export function evaluate(path: JsonPath, value: unknown): string {
  return path.map((part) => (typeof part === 'string' ? part : part.reduce(step, [value]).map(shown).join(' '))).join('')
}

function step(values: unknown[], at: Step): unknown[] {
  return values.flatMap((value) => {
    if (at.kind === 'index') return [itemOf(value, at.index)]
    if (at.kind === 'all') return typeof value === 'object' && value !== null ? Object.values(value) as unknown[] : []
    if (at.kind === 'filter') return Array.isArray(value) ? (value as unknown[]).filter((entry) => shown(at.path.reduce(keyOf, entry)) === at.value) : []
    const found = keyOf(value, at.name)
    return found === undefined ? [] : [found]
  })
}

function keyOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
}

/** A missing key is nothing, a missing item is an error: so kubectl has it. */
function itemOf(value: unknown, index: number): unknown {
  const items: unknown[] = Array.isArray(value) ? value : []
  const found = items.at(index)
  if (found !== undefined) return found
  throw new NotFoundError({
    code: 'EJSONPATH', kind: 'not-found', phase: 'run', reached: true, message: `array index out of bounds: index ${index}, length ${items.length}`,
  })
}

function shown(value: unknown): string {
  if (typeof value === 'string') return value
  return value === undefined ? '' : goJson(value)
}
