/**
 * What the shared suites of Kubernetes ask of a cluster: the private one behind an API server of ours (`npm test`), or a real one
 * (`npm run test:cluster`).
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster, type PodSpec, type Streaming } from './kube'

export interface BedService { name: string, selector: Record<string, string>, ports: { port: number, targetPort: number }[] }

export interface Who {
  /** 'admin', who may do everything; anybody else may do what `permit` says */
  user?: string
  /** 'test' */
  name?: string
  namespace?: string
}

export interface Bed {
  /** Where pods are that name no namespace. */
  readonly home: string
  readonly folder: string
  /** An image of one static program, busybox, and no shell. */
  readonly bareImage: string
  /** Resolves when it runs, or has ended. */
  pod(spec: PodSpec): Promise<unknown>
  remove(pod: string): Promise<unknown>
  /** Its containers are started anew. */
  restart(pod: string): Promise<unknown>
  /** Each process's words, as somebody else than the engine tells them. */
  processes(pod: string): Promise<string[][]>
  /** Another namespace; the same word means the same one. */
  namespace(word: string): Promise<string>
  service(spec: BedService): Promise<void>
  deployment(spec: { name: string, labels: Record<string, string> }): Promise<void>
  kubeconfig(who?: Who): Promise<string>
  permit(user: string, verbs: string[], resources: string[]): Promise<void>
  /** Breaks all the connections that there are. */
  cut(): void
  part(part: Part): Killable
  stop(): Promise<void>
}

/** What may be killed; the private cluster has no kubelet. */
export type Part = 'the API server' | 'the kubelet' | 'the runtime'

/** Killed as by a crash; `resume` resolves when it answers again. */
export interface Killable {
  kill: () => Promise<void>
  resume: () => Promise<void>
}

export type StartBed = () => Promise<Bed>

/** The private cluster. */
export class PrivateBed implements Bed {
  readonly home = 'default'
  readonly cluster: Cluster

  static async start(streaming: Streaming, beside?: PrivateBed): Promise<PrivateBed> {
    return new PrivateBed(await Cluster.start({ streaming, ...(beside === undefined ? {} : { runtime: beside.cluster.runtime }) }))
  }

  private constructor(cluster: Cluster) {
    this.cluster = cluster
  }

  get folder(): string {
    return this.cluster.folder
  }

  get bareImage(): string {
    return this.cluster.bareImage
  }

  pod(spec: PodSpec): Promise<unknown> {
    return this.cluster.pod(spec)
  }

  remove(pod: string): Promise<unknown> {
    return this.cluster.pods.remove(this.home, pod)
  }

  restart(pod: string): Promise<unknown> {
    return this.cluster.pods.restart(this.home, pod, 'main')
  }

  /** By the kernel's account. */
  async processes(pod: string): Promise<string[][]> {
    return (await this.cluster.pods.processes(this.home, pod, 'main')).map(({ command }) => command)
  }

  namespace(word: string): Promise<string> {
    this.cluster.namespace(word)
    return Promise.resolve(word)
  }

  service(spec: BedService): Promise<void> {
    this.cluster.service(spec)
    return Promise.resolve()
  }

  deployment(spec: { name: string, labels: Record<string, string> }): Promise<void> {
    this.cluster.deployment(spec)
    return Promise.resolve()
  }

  kubeconfig(who?: Who): Promise<string> {
    return Promise.resolve(this.cluster.kubeconfig(who))
  }

  permit(user: string, verbs: string[], resources: string[]): Promise<void> {
    this.cluster.access.allow({ user, verbs, resources })
    return Promise.resolve()
  }

  cut(): void {
    this.cluster.api.cut()
  }

  part(part: Part): Killable {
    if (part === 'the API server') return this.cluster.api
    if (part === 'the runtime') return this.cluster.runtime
    throw new Error(`the private cluster does not have ${part}`)
  }

  stop(): Promise<void> {
    return this.cluster.stop()
  }
}

interface Kubeconfig { clusters: object[], users: object[], contexts: object[] }

/** One kubeconfig of several that differ in their names; the first one's context is the current one. Those of beds are JSON. */
export function joined(file: string, files: string[]): string {
  const all = files.map((one) => JSON.parse(readFileSync(one, 'utf8')) as Kubeconfig)
  const every = (key: keyof Kubeconfig): object[] => all.flatMap((one) => one[key])
  writeFileSync(file, JSON.stringify({ ...all[0], clusters: every('clusters'), users: every('users'), contexts: every('contexts') }), { mode: 0o600 })
  return file
}

/** A folder of a suite, and its removal. */
export function temporaryFolder(): { path: string, remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'xec-kube-test-'))
  return { path, remove: () => { rmSync(path, { recursive: true, force: true }) } }
}
