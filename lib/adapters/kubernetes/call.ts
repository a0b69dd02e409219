import type { Mask } from '../../masking'
import { type AdapterCommand, commandLine } from '../ssh/command'
import type { FailedCommand } from '../ssh/failures'
import type { Outcome } from '../ssh/outcome'
import { type Place, placeOf, programOf } from './command'
import type { ResolvedKubernetesConfig } from './config'

/** One `execute`, and the configuration it started with: `updateConfig` does not reach running commands. */
export interface KubernetesCall extends Outcome {
  config: ResolvedKubernetesConfig
  place: Place
  program: string | string[]
  maxBuffer: number
  failed: FailedCommand & { command: string; timeout: number }
}

export function newKubernetesCall(command: AdapterCommand, config: ResolvedKubernetesConfig, mask: Mask): KubernetesCall {
  const place = placeOf(command, config)
  return {
    command, config, mask, place,
    program: programOf(command, config, place),
    maxBuffer: command.maxBuffer ?? config.maxBuffer,
    failed: { command: mask(commandLine(command)), host: place.pod, timeout: command.timeout ?? config.defaultTimeout },
    startedAt: new Date(),
    where: { adapter: 'kubernetes', ...(place.container === undefined ? {} : { container: place.container }) },
  }
}
