import { boolean, duration, environment, integer, nonEmptyText, text } from '../../options/checks'
import { type Check, describe, shape } from '../../options/schema'
import { InvalidOptionError } from '../../errors'
import type { MaskingConfig } from '../../masking'
import { DEFAULT_MAX_BUFFER } from '../../pool/command-spec'

export interface KubernetesAdapterConfig {
  /** 120_000 milliseconds per command; 0 = no limit */
  defaultTimeout?: number
  /** Directory in the container of commands without their own. */
  defaultCwd?: string
  defaultEnv?: Record<string, string>
  /** true: `sh` runs commands; a name: that shell; false: none, and a command is a program with its arguments */
  defaultShell?: string | boolean
  /** 'utf8' */
  encoding?: BufferEncoding
  /** 10 MiB for each of stdout and stderr, and for what else is collected */
  maxBuffer?: number
  /** true */
  throwOnNonZeroExit?: boolean
  sensitiveDataMasking?: MaskingConfig
  /** A file; without it, what kubectl would read (KUBECONFIG, `~/.kube/config`, a pod's service account). */
  kubeconfig?: string
  /** The kubeconfig's current one by default. */
  context?: string
  /** A cluster of the kubeconfig instead of the context's. */
  cluster?: string
  /** A user of the kubeconfig instead of the context's. */
  user?: string
  /** The context's own by default, else 'default'. */
  namespace?: string
  /** 'kubectl', found on the PATH: for what only the real one can do */
  kubectlPath?: string
  /** 60_000 milliseconds for what is answered at once, and for the real kubectl; 0 = no limit */
  kubectlTimeout?: number
  /** 600_000 milliseconds for copies; 0 = no limit */
  transferTimeout?: number
}

const textOr = <T>(check: Check<T>): Check<string | T> => (value, option) => (typeof value === 'string' ? nonEmptyText(value, option) : check(value, option))

const encoding: Check<BufferEncoding> = (value, option) => {
  if (typeof value === 'string' && Buffer.isEncoding(value)) return value
  throw new InvalidOptionError(option, `expected an encoding Node.js knows, got ${describe(value)}`)
}

const patterns: Check<RegExp[]> = (value, option) => {
  if (Array.isArray(value) && value.every((entry) => entry instanceof RegExp)) return value
  throw new InvalidOptionError(option, 'expected an array of regular expressions')
}

export const checkKubernetesConfig: Check<KubernetesAdapterConfig> = shape({
  defaultTimeout: duration,
  defaultCwd: nonEmptyText,
  defaultEnv: environment,
  defaultShell: textOr(boolean),
  encoding,
  maxBuffer: integer(0, Number.MAX_SAFE_INTEGER),
  throwOnNonZeroExit: boolean,
  sensitiveDataMasking: shape({ enabled: boolean, patterns, replacement: text }),
  kubeconfig: nonEmptyText,
  context: nonEmptyText,
  cluster: nonEmptyText,
  user: nonEmptyText,
  namespace: nonEmptyText,
  kubectlPath: nonEmptyText,
  kubectlTimeout: duration,
  transferTimeout: duration,
})

export type ResolvedKubernetesConfig = KubernetesAdapterConfig & Required<Pick<KubernetesAdapterConfig,
  'defaultTimeout' | 'defaultEnv' | 'defaultShell' | 'encoding' | 'maxBuffer' | 'throwOnNonZeroExit' | 'sensitiveDataMasking' | 'kubectlPath'
  | 'kubectlTimeout' | 'transferTimeout'>>

export const DEFAULT_KUBERNETES_CONFIG: ResolvedKubernetesConfig = {
  defaultTimeout: 120_000,
  defaultEnv: {},
  defaultShell: true,
  encoding: 'utf8',
  maxBuffer: DEFAULT_MAX_BUFFER,
  throwOnNonZeroExit: true,
  sensitiveDataMasking: {},
  kubectlPath: 'kubectl',
  kubectlTimeout: 60_000,
  transferTimeout: 600_000,
}

/** `changes` over `current`; groups of options are merged, not replaced. */
export function mergeKubernetesConfig(current: ResolvedKubernetesConfig, changes: KubernetesAdapterConfig): ResolvedKubernetesConfig {
  return { ...current, ...changes, sensitiveDataMasking: { ...current.sensitiveDataMasking, ...changes.sensitiveDataMasking } }
}
