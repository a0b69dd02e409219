import type { Mask } from '../../masking'
import { type AdapterCommand, commandLine } from '../ssh/command'
import type { FailedCommand } from '../ssh/failures'
import type { Outcome } from '../ssh/outcome'
import { type Place, argvOf, placeOf } from './command'
import type { ResolvedDockerConfig } from './config'

/** One `execute`, and the configuration it started with: `updateConfig` does not reach running commands. */
export interface DockerCall extends Outcome {
  config: ResolvedDockerConfig
  place: Place
  argv: string[]
  line: string
  maxBuffer: number
  failed: FailedCommand
}

export function newDockerCall(command: AdapterCommand, config: ResolvedDockerConfig, mask: Mask, host: string): DockerCall {
  const line = commandLine(command)
  const place = placeOf(command, config)
  return {
    command, config, mask, line, place, argv: argvOf(command, config),
    maxBuffer: command.maxBuffer ?? config.maxBuffer,
    failed: { command: mask(line), host, timeout: command.timeout ?? config.defaultTimeout },
    startedAt: new Date(),
    where: { adapter: 'docker', container: place.container },
  }
}
