import type { CommandResult, ExecOptions } from './exec'
import type { HealthCheckConfig, HostPoolConfig } from './pool'
import type { SpawnOptions } from './process'
import type { SessionOptions } from './session'

/**
 * Which cluster, as whom. What is absent is as kubectl has it: KUBECONFIG (several files are merged, the first one to say something
 * wins), `~/.kube/config`, the current context; in a pod without any of these, its service account.
 */
export interface KubernetesContextOptions {
  /** A file, several as KUBECONFIG has them, or a list of files. */
  kubeconfig?: string | string[]
  context?: string
  /** In place of the context's; without `context`, the first context that leads there. */
  cluster?: string
  /** In place of the context's. */
  user?: string
  /** The one that is meant when none is said; the context's, else 'default'. */
  namespace?: string
}

/** The pool's own options and, for `context` and the short forms, the cluster they mean. */
export interface KubernetesPoolOptions extends KubernetesContextOptions, Pick<HostPoolConfig,
  'enabled' | 'whenExhausted' | 'acquireTimeout' | 'maxQueue' | 'reconnect' | 'autoReconnect' | 'maxReconnectAttempts'
  | 'reconnectDelay' | 'maxRetries' | 'shell'> {
  /** 30_000 milliseconds for a connection, for a credential plugin, and for the beginning of each answer */
  timeout?: number
  /** 10 for one cluster and user */
  maxConnections?: number
  /** 100 commands, calls and forwarded connections at once over one client; each command has a line of its own */
  channelsPerConnection?: number
  /** 300_000; 0 = never closed for being idle */
  idleTimeout?: number
  /** 0 = no limit */
  maxLifetime?: number
  /** Checks of idle clients by asking for the server's version; naming it asks for them. */
  healthCheck?: Omit<HealthCheckConfig, 'command'>
  /** 100 over all clusters */
  maxTotalConnections?: number
  /** 60_000 */
  cleanupInterval?: number
}

/** A pod by its name, or the first ready one that labels select. */
export type PodRef = string | { selector: string }

export interface PodOptions {
  /** The context's when absent. */
  namespace?: string
  /** The one that the pod's annotation `kubectl.kubernetes.io/default-container` names, else the first. */
  container?: string
}

export interface PodExecOptions extends ExecOptions, PodOptions {}

export interface PodSpawnOptions extends SpawnOptions, PodOptions {}

export interface PodSessionOptions extends SessionOptions, PodOptions {}

export interface PodResult<T extends string | Buffer = string> extends CommandResult<T> {
  namespace: string
  pod: string
  container?: string
}

export interface KubernetesRequestOptions {
  /** Values that are no strings are sent as JSON; undefined ones are left out. */
  query?: Record<string, unknown>
  headers?: Record<string, string>
  /** Bytes and text as they are, anything else as JSON. */
  body?: unknown
  /** Milliseconds for the beginning of the answer; the pool's own when absent, 0 = no limit. */
  timeout?: number
  signal?: AbortSignal
}

export interface KubernetesResponse {
  status: number
  /** Names in lower case. */
  headers: Record<string, string>
  body: Buffer
}

export interface LogOptions extends PodOptions {
  /** false; true: those of all containers one after the other, each line with `[name] ` before it */
  allContainers?: boolean
  /** Lines from the end; all when absent */
  tail?: number
  /** Seconds back from now. */
  since?: number
  /** RFC 3339. Not together with `since`. */
  sinceTime?: string | Date
  /** false; true: of the container's run before this one */
  previous?: boolean
  /** false; true: each line begins with its time */
  timestamps?: boolean
  /** Bytes, after which the server ends. */
  limitBytes?: number
  signal?: AbortSignal
}

export interface FollowLogOptions extends LogOptions {
  /** true; false ends with what there is */
  follow?: boolean
}

export interface PodListOptions {
  /** The context's when absent. */
  namespace?: string
  /** false; true: of every namespace */
  allNamespaces?: boolean
  /** `app=web,tier!=db` */
  selector?: string
  /** `status.phase=Running` */
  fieldSelector?: string
  signal?: AbortSignal
}

/** What of a pod most programs look at; `raw` has everything. */
export interface PodInfo {
  name: string
  namespace: string
  phase: string
  /** Every container of it is ready. */
  ready: boolean
  containers: string[]
  restarts: number
  labels: Record<string, string>
  node?: string
  ip?: string
  /** It is being deleted. */
  terminating: boolean
  created?: Date
  raw: Record<string, unknown>
}

export interface WaitForPodOptions {
  namespace?: string
  /** 'ready'; 'running', 'deleted', 'succeeded' (which fails when the pod fails) */
  for?: 'ready' | 'running' | 'deleted' | 'succeeded'
  /** 60_000 milliseconds */
  timeout?: number
  signal?: AbortSignal
}

export interface KubernetesForwardOptions {
  /** 0: a free one, which `localPort` tells. */
  local?: number
  /** A port of the pod; for a service, one of its own, which its `targetPort` is found for. */
  remote: number
  /** '127.0.0.1' */
  localHost?: string
  namespace?: string
  signal?: AbortSignal
}

export interface PodCopyOptions extends PodOptions {
  /** Milliseconds; 0 or absent = no limit */
  timeout?: number
  signal?: AbortSignal
}

/** What was copied. */
export interface PodCopyReport {
  files: number
  directories: number
  links: number
  bytes: number
  /** What is neither, sockets for example: the first hundred names. */
  skipped: string[]
}
