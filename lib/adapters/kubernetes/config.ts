import { duration, nonEmptyText } from '../../options/checks'
import { type Check, shape } from '../../options/schema'
import { ADAPTER_DEFAULTS, type AdapterConfig, type AlwaysGiven, adapterFields } from '../config'

export interface KubernetesAdapterConfig extends AdapterConfig {
  /** true: `sh` runs commands; a name: that shell; false: none, and a command is a program with its arguments */
  defaultShell?: string | boolean
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

export const checkKubernetesConfig: Check<KubernetesAdapterConfig> = shape({
  ...adapterFields,
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
  AlwaysGiven | 'defaultShell' | 'kubectlPath' | 'kubectlTimeout' | 'transferTimeout'>>

export const DEFAULT_KUBERNETES_CONFIG: ResolvedKubernetesConfig = {
  ...ADAPTER_DEFAULTS,
  defaultShell: true,
  kubectlPath: 'kubectl',
  kubectlTimeout: 60_000,
  transferTimeout: 600_000,
}

/** `changes` over `current`; groups of options are merged, not replaced. */
export function mergeKubernetesConfig(current: ResolvedKubernetesConfig, changes: KubernetesAdapterConfig): ResolvedKubernetesConfig {
  return { ...current, ...changes, sensitiveDataMasking: { ...current.sensitiveDataMasking, ...changes.sensitiveDataMasking } }
}
