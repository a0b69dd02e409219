import { InvalidOptionError } from '../../errors'
import { anything, boolean, environment, nonEmptyText, oneOf } from '../../options/checks'
import { type Check, shape } from '../../options/schema'
import { type AdapterCommand, commandLine } from '../ssh/command'
import type { ResolvedDockerConfig } from './config'
import { listOf } from './container-spec'
import { checkContainerName, parseReference } from './reference'
import { checkBind } from './volumes-and-ports'

/** `$.docker({...})`'s options as they arrive at an adapter. */
export interface DockerAdapterOptions {
  type: 'docker'
  /** The container to run in; in run mode the new container's name. */
  container?: string
  /** Run mode: a new container of this image, for this command alone. */
  image?: string
  /** 'run' with an image, else 'exec' */
  runMode?: 'run' | 'exec'
  user?: string
  workdir?: string
  env?: Record<string, string>
  tty?: boolean
  privileged?: boolean
  /** Run mode. */
  volumes?: string[]
  network?: string
  /** true: the container goes when the command has ended */
  autoRemove?: boolean
}

const bind: Check<string> = (value, option) => checkBind(nonEmptyText(value, option), option)

const image: Check<string> = (value, option) => {
  parseReference(value, option)
  return nonEmptyText(value, option)
}

const checkOptions = shape({
  type: anything, container: nonEmptyText, image, runMode: oneOf('run', 'exec'), user: nonEmptyText, workdir: nonEmptyText, env: environment,
  tty: boolean, privileged: boolean, volumes: listOf(bind), network: nonEmptyText, autoRemove: boolean,
})

/** What a command runs in, checked. */
export type Place = { mode: 'exec'; container: string } & Entering | { mode: 'run'; image: string; container: string } & Entering & Running

interface Entering {
  user: string | undefined
  workdir: string | undefined
  env: Record<string, string>
  tty: boolean
  privileged: boolean
}

interface Running {
  volumes: string[] | undefined
  network: string | undefined
  autoRemove: boolean
}

export function hasDockerOptions(command: AdapterCommand): boolean {
  return command.adapterOptions?.type === 'docker'
}

export function placeOf(command: AdapterCommand, config: ResolvedDockerConfig): Place {
  const options = checkOptions(command.adapterOptions, '')
  const entering = enteringOf(command, options, config)
  const { image: from, volumes, network, autoRemove = true, runMode = from === undefined ? 'exec' : 'run' } = options
  if (runMode === 'exec') {
    if (volumes !== undefined) throw new InvalidOptionError('volumes', 'a container that runs already gets no volumes; they are for run mode')
    return { mode: 'exec', container: checkContainerName(options.container), ...entering }
  }
  if (from === undefined) throw new InvalidOptionError('image', 'run mode needs the image to run')
  const container = options.container === undefined || options.container === 'ephemeral' ? newName(from) : checkContainerName(options.container)
  return { mode: 'run', image: from, container, ...entering, volumes, network, autoRemove }
}

function enteringOf(command: AdapterCommand, options: ReturnType<typeof checkOptions>, config: ResolvedDockerConfig): Entering {
  const { defaultExecOptions: defaults = {} } = config
  return {
    user: options.user ?? defaults.User,
    // A command's own directory is nearer to it than its container's.
    workdir: command.cwd ?? options.workdir ?? defaults.WorkingDir ?? config.defaultCwd,
    env: { ...config.defaultEnv, ...variables(defaults.Env ?? []), ...options.env, ...environment(command.env ?? {}, 'env') },
    tty: options.tty ?? defaults.Tty ?? false,
    privileged: options.privileged ?? defaults.Privileged ?? false,
  }
}

/** Values may have `=` in them. */
function variables(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]))
}

/** As core names them: xec-IMAGE-TIME-RANDOM */
export function newName(from: string): string {
  const { repository } = parseReference(from)
  const name = repository.slice(repository.lastIndexOf('/') + 1)
  return `xec-${name}-${Date.now()}-${Math.random().toString(36).slice(2, 8)}`
}

/** The program and its arguments; arguments arrive as they are, whatever they hold. */
export function argvOf(command: AdapterCommand, { defaultShell }: ResolvedDockerConfig): string[] {
  const { shell = defaultShell } = command
  if (shell === false) return [command.command, ...command.args ?? []]
  return [shell === true ? 'sh' : shell, '-c', commandLine(command)]
}
