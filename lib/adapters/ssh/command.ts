import type { Readable, Writable } from 'node:stream'
import type { SSHTarget } from '../../types'
import type { SpawnHandle } from './live'
import { quote } from './quote'

/** Where stdout or stderr goes. 'inherit', a Writable and a function get it while the command runs, and the result does not. */
export type OutputTarget = 'pipe' | 'ignore' | 'inherit' | Writable | ((text: string) => void)

/** `$.ssh({...})`'s options as they arrive at an adapter. */
export type SSHAdapterOptions = SSHTarget & { type: 'ssh' }

/** The command @xec-sh/core hands to an adapter; of its options those that mean something over SSH. */
export interface AdapterCommand {
  command: string
  /** Each is quoted: it arrives as one argument, whatever it holds. */
  args?: string[]
  adapterOptions?: { type: string }
  cwd?: string
  env?: Record<string, string>
  /** Milliseconds; 0 = no limit */
  timeout?: number
  stdin?: string | Buffer | Readable
  stdout?: OutputTarget
  stderr?: OutputTarget
  signal?: AbortSignal
  maxBuffer?: number
  nothrow?: boolean
  throwOnNonZeroExit?: boolean
  shell?: string | boolean
  /** Called once the command is being started, with its live streams. */
  onSpawn?: (handle: SpawnHandle) => void
  /** Set by core's promises, which do the throwing themselves. */
  __fromProcessPromise?: boolean
}

/** The line the remote shell gets. `command` is shell text already; arguments are data. */
export function commandLine(command: AdapterCommand): string {
  const { args = [] } = command
  return args.length === 0 ? command.command : [command.command, ...args.map(quote)].join(' ')
}

export function sshOptions(command: AdapterCommand): SSHAdapterOptions | undefined {
  const options = command.adapterOptions
  return options !== undefined && isSSHOptions(options) ? options : undefined
}

const isSSHOptions = (options: { type: string }): options is SSHAdapterOptions => options.type === 'ssh'
