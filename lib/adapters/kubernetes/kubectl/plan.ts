import { given } from '../../ssh/given'
import { nanoseconds } from '../../docker/duration'
import type { Where } from '../where'
import { type PodPath, parsePodPath } from '../copy'
import { type KnownFlags, type ParsedFlags, parseFlags } from './flags'
import { type Output, outputOf } from './output'
import { RESOURCES } from './resources'

/** What a kubectl command line asks for, where our client can do it. */
export type Plan = { where: Where } & (
  | { kind: 'logs'; pod: string; follow: boolean; options: LogFlags }
  | { kind: 'get'; resource: string; name: string | undefined; query: { labelSelector?: string; fieldSelector?: string }; allNamespaces: boolean; output: Output }
  | { kind: 'exec'; pod: string; container: string | undefined; tty: boolean; command: string[] }
  | { kind: 'copy'; direction: 'to' | 'from'; local: string; remote: PodPath })

export interface LogFlags {
  container?: string
  tail?: number
  previous?: boolean
  timestamps?: boolean
  since?: number
  sinceTime?: string
  limitBytes?: number
}

const GLOBAL_VALUES = { n: 'namespace', namespace: 'namespace', context: 'context', kubeconfig: 'kubeconfig', cluster: 'cluster', user: 'user' }

const flags = (booleans: Record<string, string>, values: Record<string, string>): KnownFlags => ({ booleans, values: { ...GLOBAL_VALUES, ...values } })

const COMMANDS: Readonly<Record<string, { known: KnownFlags; make: (parsed: Read) => Plan | undefined }>> = {
  logs: {
    known: flags(
      { f: 'follow', follow: 'follow', p: 'previous', previous: 'previous', timestamps: 'timestamps' },
      { c: 'container', container: 'container', tail: 'tail', since: 'since', 'since-time': 'sinceTime', 'limit-bytes': 'limitBytes' },
    ),
    make: logs,
  },
  get: {
    known: flags(
      { A: 'all', 'all-namespaces': 'all' },
      { l: 'selector', selector: 'selector', 'field-selector': 'fieldSelector', o: 'output', output: 'output' },
    ),
    make: get,
  },
  exec: {
    known: flags({ i: 'stdin', stdin: 'stdin', t: 'tty', tty: 'tty', q: 'quiet', quiet: 'quiet' }, { c: 'container', container: 'container' }),
    make: exec,
  },
  cp: { known: flags({}, { c: 'container', container: 'container' }), make: copy },
}

/** `undefined`: only the real kubectl can do it, or say what is wrong with it. */
export function planOf(args: readonly string[]): Plan | undefined {
  const name = commandOf(args)
  const command = name === undefined ? undefined : COMMANDS[name]
  if (command === undefined) return undefined
  const parsed = parseFlags(args, command.known)
  if (typeof parsed === 'string') return undefined
  return command.make(new Read(parsed))
}

/** The first word that is neither a flag nor a global flag's value. */
function commandOf(args: readonly string[]): string | undefined {
  const parsed = parseFlags(args.slice(0, args.findIndex((arg) => Object.hasOwn(COMMANDS, arg)) + 1), flags({}, {}))
  return typeof parsed === 'string' || parsed.positionals.length !== 1 ? undefined : parsed.positionals[0]
}

/** Flags, by what they are called here. */
class Read {
  readonly words: string[]
  readonly rest: string[] | undefined
  readonly #values: ParsedFlags['values']

  constructor({ values, positionals: [, ...words], rest }: ParsedFlags) {
    this.words = words
    this.rest = rest
    this.#values = values
  }

  text(name: string): string | undefined {
    const value = this.#values[name]
    return typeof value === 'string' ? value : undefined
  }

  is(name: string): boolean {
    return this.#values[name] === true
  }

  get where(): Where {
    const found: Where = {}
    for (const name of ['namespace', 'context', 'kubeconfig', 'cluster', 'user'] as const) {
      const value = this.text(name)
      if (value !== undefined) found[name] = value
    }
    return found
  }
}

function logs(read: Read): Plan | undefined {
  const [pod, container, ...more] = read.words
  const [tail, since, limit] = [whole(read.text('tail')), seconds(read.text('since')), whole(read.text('limitBytes'))]
  if (!isPod(pod) || more.length > 0 || read.rest !== undefined || [tail, since, limit].includes('odd')) return undefined
  const options = given({
    container: read.text('container') ?? container, sinceTime: read.text('sinceTime'),
    tail: atLeast(0, tail), since: atLeast(1, since), limitBytes: atLeast(1, limit),
    previous: read.is('previous') || undefined, timestamps: read.is('timestamps') || undefined,
  })
  return { kind: 'logs', where: read.where, pod: bare(pod), follow: read.is('follow'), options }
}

function get(read: Read): Plan | undefined {
  const subject = subjectOf(read.words)
  const output = outputOf(read.text('output'))
  if (subject === undefined || output === undefined || read.rest !== undefined) return undefined
  const query = given({ labelSelector: read.text('selector'), fieldSelector: read.text('fieldSelector') })
  // What kubectl says of these it says best itself.
  if (subject.name !== undefined && (read.is('all') || read.text('selector') !== undefined)) return undefined
  return { kind: 'get', where: read.where, ...subject, query, allNamespaces: read.is('all'), output }
}

/** `pods`, `pods NAME` or `pods/NAME`. */
function subjectOf([what = '', second, ...more]: string[]): { resource: string; name: string | undefined } | undefined {
  const [resource = '', slashed, ...rest]: (string | undefined)[] = what.split('/')
  if (!Object.hasOwn(RESOURCES, resource) || more.length + rest.length > 0) return undefined
  if (slashed !== undefined && second !== undefined) return undefined
  const name = slashed ?? second
  return name === undefined || isName(name) ? { resource, name } : undefined
}

function exec(read: Read): Plan | undefined {
  const [pod, ...old] = read.words
  const command = read.rest ?? old
  if (!isPod(pod) || command.length === 0 || (read.rest !== undefined && old.length > 0)) return undefined
  return { kind: 'exec', where: read.where, pod: bare(pod), container: read.text('container'), tty: read.is('tty'), command }
}

function copy(read: Read): Plan | undefined {
  const [source, destination, ...more] = read.words
  if (source === undefined || destination === undefined || more.length > 0 || read.rest !== undefined) return undefined
  const direction = POD_PATH.test(destination) ? 'to' : 'from'
  const [local, place] = direction === 'to' ? [source, destination] : [destination, source]
  if (!POD_PATH.test(place) || POD_PATH.test(local)) return undefined
  const remote = parsePodPath(place, direction === 'to' ? 'destination' : 'source')
  const container = read.text('container') ?? remote.container
  return { kind: 'copy', where: read.where, direction, local, remote: { ...remote, container } }
}

const POD_PATH = /^(?:[a-z0-9][a-z0-9.-]*\/)?[a-z0-9][a-z0-9.-]*:.+$/s

const isName = (text: string): boolean => /^[a-z0-9][a-z0-9.-]*$/.test(text)

/** A pod's name, or pod/NAME. Workloads are left to kubectl. */
const isPod = (text: string | undefined): text is string => text !== undefined && /^(?:pods?\/)?[a-z0-9][a-z0-9.-]*$/.test(text)

const bare = (pod: string): string => pod.slice(pod.indexOf('/') + 1)

function whole(text: string | undefined): number | 'odd' | undefined {
  if (text === undefined) return undefined
  return /^-?\d+$/.test(text) ? Number(text) : 'odd'
}

/** kubectl takes smaller numbers for none at all. */
const atLeast = (least: number, value: number | string | undefined): number | undefined => (typeof value === 'number' && value >= least ? value : undefined)

/** The API counts in whole seconds. */
function seconds(text: string | undefined): number | 'odd' | undefined {
  if (text === undefined) return undefined
  const found = text === '0' ? 0 : nanoseconds(text)
  return found === undefined ? 'odd' : Math.ceil(found / 1e9)
}
