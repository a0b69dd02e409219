import { InvalidOptionError } from '../../errors'
import { anything, boolean, environment, nonEmptyText, text } from '../../options/checks'
import { type Check, shape } from '../../options/schema'
import { type AdapterCommand, commandLine } from '../ssh/command'
import { quote } from '../ssh/quote'
import type { ResolvedKubernetesConfig } from './config'
import { parseExecFlags } from './exec-flags'
import { type Subject, parseSubject } from './subject'
import { type ClusterOptions, type Where, checkName, clusterFields, whereOf } from './where'

/** `$.k8s({...})`'s options as they arrive at an adapter. */
export interface KubernetesAdapterOptions extends ClusterOptions {
  type: 'kubernetes'
  /** A name, `TYPE/NAME`, or '-l SELECTOR': the first ready pod that it selects */
  pod: string
  namespace?: string
  /** The pod's default or only one by default. */
  container?: string
  /** kubectl's flags for exec, where they have no option. */
  execFlags?: string[]
  /** false; true: commands have a terminal */
  tty?: boolean
  /** Without effect: a command has stdin when it is given one. */
  stdin?: boolean
}

const flags: Check<string[]> = (value, option) => {
  if (!Array.isArray(value)) throw new InvalidOptionError(option, 'expected an array of strings')
  return value.map((entry: unknown, index) => text(entry, `${option}[${index}]`))
}

const checkOptions = shape({
  ...clusterFields, type: anything, pod: nonEmptyText, namespace: checkName, container: checkName, execFlags: flags, tty: boolean, stdin: boolean,
})

/** What a command runs in, checked. */
export interface Place {
  subject: Subject
  /** As it was given. */
  pod: string
  where: Where
  container: string | undefined
  tty: boolean
  cwd: string | undefined
  env: Record<string, string>
}

export function hasPod(command: AdapterCommand): boolean {
  const { adapterOptions } = command
  return adapterOptions?.type === 'kubernetes' && 'pod' in adapterOptions && adapterOptions.pod !== undefined && adapterOptions.pod !== ''
}

export function placeOf(command: AdapterCommand, config: ResolvedKubernetesConfig): Place {
  const { execFlags = [], ...options } = checkOptions(command.adapterOptions, '')
  const flagged = parseExecFlags(execFlags)
  const pod = options.pod ?? ''
  return {
    subject: parseSubject(pod, 'pod'),
    pod,
    where: whereOf(options, whereOf(flagged, config)),
    container: options.container ?? flagged.container,
    tty: options.tty ?? flagged.tty ?? false,
    cwd: command.cwd ?? config.defaultCwd,
    env: { ...config.defaultEnv, ...environment(command.env ?? {}, 'env') },
  }
}

const SHELLS: ReadonlySet<string | boolean> = new Set([true, 'sh', '/bin/sh'])

/**
 * A line for the container's `sh`, or a program and its arguments for a container that has no shell. Another shell is started by `sh`,
 * which alone can change directory, set variables and say whom to end.
 */
export function programOf(command: AdapterCommand, { defaultShell }: ResolvedKubernetesConfig, { cwd, env }: Place): string | string[] {
  const { shell = defaultShell, args = [] } = command
  if (SHELLS.has(shell)) return commandLine(command)
  if (typeof shell === 'string') return `exec ${quote(shell)} -c ${quote(commandLine(command))}`
  if (cwd === undefined && Object.keys(env).length === 0) return [command.command, ...args]
  return `exec ${[command.command, ...args].map(quote).join(' ')}`
}
