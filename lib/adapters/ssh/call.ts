import type { Mask } from '../../masking'
import type { ExecOptions, SSHTarget } from '../../types'
import { type AdapterCommand, type SSHAdapterOptions, commandLine } from './command'
import { type ResolvedAdapterConfig, withDefaults } from './config'
import type { FailedCommand } from './failures'

/** One `execute`, and the configuration it started with: `updateConfig` does not reach running commands. */
export interface Call {
  command: AdapterCommand
  config: ResolvedAdapterConfig
  mask: Mask
  line: string
  target: SSHTarget
  failed: FailedCommand
  startedAt: Date
  where: { adapter: 'ssh'; host: string }
}

export function newCall(command: AdapterCommand, options: SSHAdapterOptions, config: ResolvedAdapterConfig, mask: Mask): Call {
  const line = commandLine(command)
  return {
    command,
    config,
    mask,
    line,
    target: withDefaults(options, config),
    failed: { command: mask(line), host: options.host, timeout: command.timeout ?? config.defaultTimeout },
    startedAt: new Date(),
    where: { adapter: 'ssh', host: `${options.host}:${options.port ?? config.defaultConnectOptions?.port ?? 22}` },
  }
}

export function execOptions({ command, config, failed }: Call): ExecOptions & { encoding: 'buffer' } {
  return {
    encoding: 'buffer',
    collectAll: true,
    cwd: command.cwd ?? config.defaultCwd,
    env: { ...config.defaultEnv, ...command.env },
    stdin: command.stdin,
    timeout: failed.timeout,
    signal: command.signal,
    maxBuffer: command.maxBuffer ?? config.maxBuffer,
  }
}
