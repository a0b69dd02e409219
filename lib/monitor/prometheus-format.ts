import type { Histogram } from '../types'

/** The text exposition format, version 0.0.4: one HELP, one TYPE, then the family's samples. */

export type Labels = Readonly<Record<string, string>>

interface Sample {
  value: number
  labels?: Labels
}

export function gauge(name: string, help: string, samples: readonly Sample[]): string {
  return family(name, 'gauge', help, samples.map(({ value, labels }) => sample(name, labels, value)))
}

/** By convention the name ends with `_total`. */
export function counter(name: string, help: string, samples: readonly Sample[]): string {
  return family(name, 'counter', help, samples.map(({ value, labels }) => sample(name, labels, value)))
}

/** Durations: milliseconds in, seconds out. */
export function histogram(name: string, help: string, { buckets, count, sum }: Histogram, labels: Labels): string {
  return family(name, 'histogram', help, [
    ...buckets.map((bucket) => sample(`${name}_bucket`, { ...labels, le: String(bucket.atMost / 1_000) }, bucket.count)),
    sample(`${name}_bucket`, { ...labels, le: '+Inf' }, count),
    sample(`${name}_sum`, labels, sum / 1_000),
    sample(`${name}_count`, labels, count),
  ])
}

function family(name: string, type: string, help: string, lines: readonly string[]): string {
  const escaped = help.replaceAll('\\', String.raw`\\`).replaceAll('\n', String.raw`\n`)
  return [`# HELP ${name} ${escaped}`, `# TYPE ${name} ${type}`, ...lines, ''].join('\n')
}

function sample(name: string, labels: Labels | undefined, value: number): string {
  const inside = Object.entries(labels ?? {}).map(([label, text]) => `${label}="${escapeLabel(text)}"`).join(',')
  return `${name}${inside === '' ? '' : `{${inside}}`} ${value}`
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', String.raw`\\`).replaceAll('"', String.raw`\"`).replaceAll('\n', String.raw`\n`)
}
