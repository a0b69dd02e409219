interface AdapterEvent {
  timestamp: Date
  adapter: string
}

/** @xec-sh/core's Kubernetes event; each listener gets one object. */
export interface KubernetesAdapterEvents {
  /** A command is about to run in a pod; it is masked. `pod` is as it was asked for: a name or a selector. */
  'k8s:exec': [AdapterEvent & { pod: string; namespace: string; container?: string; command: string }]
}

export const stamp = (): AdapterEvent => ({ timestamp: new Date(), adapter: 'kubernetes' })
