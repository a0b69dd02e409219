/** A strict reader of Prometheus's text format 0.0.4: whatever it does not know is an error. */

export interface Metric {
  name: string
  labels: Record<string, string>
  value: number
}

export interface Family {
  type: string
  help: string
  samples: Metric[]
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const HELP = new RegExp(`^# HELP (${NAME}) (.+)$`)
const TYPE = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram)$`)
const SAMPLE = new RegExp(String.raw`^(${NAME})(?:\{(.+)\})? (\S+)$`)
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(,|$)/y
const NUMBER = /^-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/

export function parseExposition(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line must end with a newline')
  const families = new Map<string, Family>()
  const lines = text.slice(0, -1).split('\n')
  for (let i = 0; i < lines.length;) {
    const { name, help, type } = parseHeader(lines[i], lines[i + 1])
    if (families.has(name)) throw new Error(`${name} comes twice`)
    const family: Family = { type, help, samples: [] }
    for (i += 2; i < lines.length && !lines[i]?.startsWith('#'); i++) family.samples.push(parseSample(lines[i] ?? ''))
    checkFamily(name, family)
    families.set(name, family)
  }
  return families
}

function parseHeader(first = '', second = ''): { name: string, help: string, type: string } {
  const [, name = '', help = ''] = HELP.exec(first) ?? fail('HELP', first)
  const [, typed, type = ''] = TYPE.exec(second) ?? fail('TYPE', second)
  if (typed !== name) throw new Error(`TYPE of ${typed} follows HELP of ${name}`)
  return { name, help, type }
}

function fail(what: string, line: string | undefined): never {
  throw new Error(`expected ${what}, got ${JSON.stringify(line)}`)
}

function parseSample(line: string): Metric {
  const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? fail('a sample', line)
  if (!NUMBER.test(value)) fail('a number', value)
  return { name, labels: parseLabels(labels), value: Number(value) }
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  LABEL.lastIndex = 0
  while (text !== '' && LABEL.lastIndex < text.length) {
    const [, name = '', value = ''] = LABEL.exec(text) ?? fail('a label', text)
    if (Object.hasOwn(labels, name)) fail('a label once', text)
    labels[name] = value.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character))
  }
  return labels
}

function checkFamily(name: string, { type, samples }: Family): void {
  if (samples.length === 0) throw new Error(`${name} has no samples`)
  const seen = samples.map((sample) => `${sample.name}${JSON.stringify(sample.labels)}`)
  if (new Set(seen).size !== seen.length) throw new Error(`${name} has a sample twice`)
  if (type === 'histogram') checkHistogram(name, samples)
  else if (samples.some((sample) => sample.name !== name)) throw new Error(`${name} has samples of another name`)
  if (type === 'counter' && !name.endsWith('_total')) throw new Error(`${name} is a counter without _total`)
}

function checkHistogram(name: string, samples: Metric[]): void {
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`)
  const rest = samples.filter((sample) => sample.name !== `${name}_bucket`).map((sample) => sample.name)
  if (rest.join() !== `${name}_sum,${name}_count`) throw new Error(`${name} must end with sum and count, not ${rest.join()}`)
  const bounds = buckets.map(({ labels }) => (labels['le'] === '+Inf' ? Infinity : Number(labels['le'] ?? fail('le', name))))
  bounds.forEach((bound, index) => {
    if (Number.isNaN(bound) || bound <= (bounds[index - 1] ?? -Infinity)) throw new Error(`${name}: bounds must grow`)
    if ((buckets[index]?.value ?? 0) < (buckets[index - 1]?.value ?? 0)) throw new Error(`${name}: counts must not shrink`)
  })
  if (bounds.at(-1) !== Infinity || buckets.at(-1)?.value !== samples.at(-1)?.value) throw new Error(`${name}: +Inf must be the count`)
}
