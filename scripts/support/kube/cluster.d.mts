import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { DaemonProcess, PrivateDaemon } from '../private-daemon.mjs'

export type Streaming = 'v4' | 'v5'

export interface ContainerSpec {
  name: string
  /** sleep 36000 */
  command?: string[]
  args?: string[]
  env?: { name: string, value: string }[]
  workingDir?: string
  image?: string
  stdin?: boolean
  stdinOnce?: boolean
  tty?: boolean
  user?: string
}

export interface PodSpec extends Omit<ContainerSpec, 'name'> {
  name: string
  namespace?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  /** One named main of the fields above, where absent. */
  containers?: ContainerSpec[]
}

export interface PodObject {
  metadata: { name: string, namespace: string, uid: string, resourceVersion: string, labels?: Record<string, string> }
  status: { phase: string, containerStatuses: { name: string, ready: boolean, restartCount: number }[] }
}

export interface Rule {
  user?: string | string[]
  verbs?: string | string[]
  /** 'pods/exec' for a subresource; '*' for everything */
  resources?: string | string[]
  namespaces?: string | string[]
}

export interface ApiRequest {
  method: string
  url: string
  user: string
  /** Offered for a stream. */
  protocols: string | undefined
  agent: string | undefined
  /** The connection's number. */
  connection: number
}

export interface Intercepted { request: IncomingMessage, socket: Duplex, response?: ServerResponse, head?: Buffer }

export type Credentials = 'certificate' | 'certificate-files' | 'token' | 'token-file' | 'exec'

export interface ContextOptions {
  /** 'test' */
  name?: string
  /** 'admin', who may do everything; others as `access` says */
  user?: string
  groups?: string[]
  by?: Credentials
  namespace?: string
  tokenFile?: string
}

export class Cluster {
  static start(options?: { streaming?: Streaming, runtime?: PrivateDaemon }): Promise<Cluster>
  readonly image: string
  /** One program, busybox, and no shell. */
  readonly bareImage: string
  readonly folder: string
  readonly runtime: PrivateDaemon
  readonly ca: Buffer
  readonly caFile: string
  readonly api: {
    streaming: Streaming
    readonly port: number
    readonly url: string
    readonly requests: ApiRequest[]
    readonly connections: number
    intercept: ((what: Intercepted) => boolean) | undefined
    kill(): Promise<void>
    resume(): Promise<void>
    cut(): void
  }

  readonly access: {
    issueToken(user: string, groups?: string[]): string
    revoke(token: string): void
    allow(rule: Rule): void
    deny(rule: Rule): () => void
  }

  readonly pods: {
    remove(namespace: string, name: string): Promise<PodObject>
    restart(namespace: string, name: string, container: string): Promise<PodObject>
    processes(namespace: string, name: string, container: string): Promise<DaemonProcess[]>
  }

  pod(spec: PodSpec): Promise<PodObject>
  namespace(name: string): void
  service(spec: { name: string, namespace?: string, selector: Record<string, string>, ports: { name?: string, port: number, targetPort?: number | string }[] }): void
  deployment(spec: { name: string, namespace?: string, labels: Record<string, string> }): void
  certificate(user?: string, groups?: string[]): { cert: Buffer, key: Buffer, certFile: string, keyFile: string }
  token(user?: string, groups?: string[]): string
  kubeconfig(options?: ContextOptions): string
  context(options?: ContextOptions): object
  tokenFile(user?: string, groups?: string[]): string
  serviceAccount(options?: { user?: string, groups?: string[], namespace?: string }): string
  stop(): Promise<void>
}

/** The first entry is the current context. */
export function writeKubeconfig(file: string, contexts: object[]): string
