import type { ExecOutcome, NativeExchange, NativeKubePool, NativeKubeTarget, PodPlaceSpec } from '../binding'
import { apiSpec } from '../docker/api-spec'
import { DockerExchange as Exchange } from '../docker/exchange'
import { errorFromFailure } from '../errors'
import {
  type CheckedKubernetesContext, checkApiRequest, checkContainerCommand, checkFollowLogs, checkForwardTarget, checkListPods,
  checkCopyPath, checkPod, checkPodCopy, checkPodExec, checkPodLogs, checkPodName, checkPodSession, checkPodSpawn, checkPortForward, checkWaitForPod,
} from '../options'
import { linkAbort } from '../pool/abort'
import { commandSpec } from '../pool/command-spec'
import { type Given, feeding } from '../pool/fed'
import { settle } from '../pool/settle'
import { type RemoteProcess, spawnProcess } from '../process'
import { ShellSession } from '../session'
import type {
  FollowLogOptions, KubernetesForwardOptions, KubernetesRequestOptions, KubernetesResponse, PodListOptions, LogOptions, PodCopyOptions,
  PodCopyReport, PodExecOptions, PodInfo, PodOptions, PodRef, PodResult, PodSessionOptions, PodSpawnOptions, WaitForPodOptions,
} from '../types'
import { copyFrom, copyTo } from './copy'
import { KubernetesForward } from './forward'
import { PodLogs, logText } from './logs'
import { findPod, getPod, listPods, waitForPod } from './pods'
import type { Targets } from './target'

/** What a context needs of its pool. */
export interface ContextHost {
  native: NativeKubePool
  targets: Targets
  /** Lets the pool's events of the meantime out. */
  perform: <R>(work: () => Promise<R>) => Promise<R>
  noticed: () => void
  settled: (completed: boolean) => void
  shell: 'login' | 'persistent'
  forwards: Set<KubernetesForward>
}

/** One cluster, through a pool that keeps its client. Cheap to make, and nothing to close. */
export class KubernetesContext {
  readonly #host: ContextHost
  readonly #options: CheckedKubernetesContext

  constructor(host: ContextHost, options: CheckedKubernetesContext) {
    this.#host = host
    this.#options = options
  }

  /** The namespace that is meant when none is said. Reads the kubeconfig, and throws EKUBECONFIG where it cannot be used. */
  get namespace(): string {
    return this.#target.namespace
  }

  /** The API server's URL. */
  get server(): string {
    return this.#target.server
  }

  /** The API server's host. */
  get host(): string {
    return this.#target.host
  }

  /** Connects ahead of need: resolves when the cluster has answered. */
  async connect(): Promise<void> {
    const { failure } = await this.#host.perform(() => this.#host.native.warmUp(this.#target))
    if (failure !== undefined) throw errorFromFailure(failure)
  }

  /**
   * Runs a command in a pod and resolves with how it ended, whatever its exit code. A string is a line for the container's `sh`, an
   * array a program and its arguments.
   */
  exec(pod: PodRef, command: string | string[], options: PodExecOptions & { encoding: 'buffer' }): Promise<PodResult<Buffer>>
  exec(pod: PodRef, command: string | string[], options?: PodExecOptions & { encoding?: BufferEncoding }): Promise<PodResult>
  exec(pod: PodRef, command: string | string[], options?: PodExecOptions): Promise<PodResult<string | Buffer>>
  async exec(pod: PodRef, command: string | string[], options?: PodExecOptions): Promise<PodResult<string | Buffer>> {
    const ref = checkPod(pod)
    const words = checkContainerCommand(command)
    const checked = checkPodExec(options)
    const target = this.#target
    const found = this.#nameOf(ref, checked)
    const name = typeof found === 'string' ? found : await found
    const place = placeOf(target, name, words, checked)
    const line = lineOf(words)
    const spec = { ...checked, ...(place.argv === undefined ? {} : { cwd: undefined }) }
    const outcome = await this.#execute(checked, ({ stdin, token, input }) =>
      this.#host.native.exec(target, place, commandSpec(line, spec, stdin, { shell: this.#host.shell }), token, input))
    const { container } = checked
    return {
      ...settle({ host: target.host }, line, checked, outcome), namespace: place.namespace, pod: name, ...(container === undefined ? {} : { container }),
    }
  }

  /** Starts a command with live streams. Options are checked at once; everything else is told by `done`. */
  spawn(pod: PodRef, command: string | string[], options?: PodSpawnOptions): RemoteProcess {
    const ref = checkPod(pod)
    const words = checkContainerCommand(command)
    const checked = checkPodSpawn(options)
    const target = this.#target
    this.#host.noticed()
    return spawnProcess({
      host: target.host,
      start: async (spec, token) => {
        const found = this.#nameOf(ref, checked)
        const place = placeOf(target, typeof found === 'string' ? found : await found, words, checked)
        return this.#host.native.spawn(target, place, place.argv === undefined ? spec : { ...spec, cwd: undefined }, token)
      },
      settled: this.#host.settled,
    }, lineOf(words), checked)
  }

  /** Opens a shell in a pod that keeps directory, variables and functions between commands. */
  async session(pod: PodRef, options?: PodSessionOptions): Promise<ShellSession> {
    const ref = checkPod(pod)
    const { signal, namespace, container, ...rest } = checkPodSession(options)
    const target = this.#target
    const within = { ...(namespace === undefined ? {} : { namespace }), ...(container === undefined ? {} : { container }) }
    const found = this.#nameOf(ref, { ...within, signal })
    const place = placeOf(target, typeof found === 'string' ? found : await found, ':', within)
    const link = linkAbort(signal, 'The session was aborted before it was opened')
    try {
      const { session, failure } = await this.#host.perform(() =>
        this.#host.native.session(target, place, commandSpec(':', rest, undefined), link.token))
      if (failure !== undefined) throw errorFromFailure(failure, { reason: signal?.reason })
      if (session === undefined) throw new TypeError('the engine answered with neither session nor failure')
      return new ShellSession(session, {
        host: target.host, perform: this.#host.perform, completed: () => { this.#host.settled(true) },
      })
    } finally {
      link.unlink()
    }
  }

  /** What a container has said, as one text. */
  async logs(pod: PodRef, options?: LogOptions): Promise<string> {
    const ref = checkPod(pod)
    const checked = checkPodLogs(options)
    return logText(this, await this.#nameOf(ref, checked), checked)
  }

  /** What a container says, line by line, as it comes. Ended by `stop()`, by the signal, or with the container. */
  followLogs(pod: PodRef, options?: FollowLogOptions): PodLogs {
    const ref = checkPod(pod)
    const checked = checkFollowLogs(options)
    return new PodLogs(this, async () => this.#nameOf(ref, checked), { follow: true, ...checked })
  }

  listPods(options?: PodListOptions): Promise<PodInfo[]> {
    return listPods(this, checkListPods(options))
  }

  /** One pod; rejects with ENOPOD where there is none of that name. */
  async getPod(pod: string, options?: Pick<PodOptions, 'namespace'> & { signal?: AbortSignal }): Promise<PodInfo> {
    return getPod(this, checkPodName(pod), checkListPods(options))
  }

  /** Resolves when the pod is what is waited for; it need not exist yet. Rejects with ETIMEDOUT after `timeout`. */
  waitForPod(pod: string, options?: WaitForPodOptions): Promise<PodInfo | undefined> {
    return waitForPod(this, checkPodName(pod), checkWaitForPod(options))
  }

  /**
   * Listens on this machine and connects each client to a port of a pod: by its name, or of a `service/NAME` or `deployment/NAME`, for which a
   * ready pod is found, and another one when it is gone. Resolves when it listens.
   */
  async portForward(target: string, options: KubernetesForwardOptions): Promise<KubernetesForward> {
    const subject = checkForwardTarget(target)
    const checked = checkPortForward(options)
    const native = this.#target
    const forward = new KubernetesForward(this, subject, checked, {
      open: (namespace, pod, port) => this.#exchange(() => this.#host.native.tunnel(native, namespace, pod, port)),
      closed: () => { this.#host.forwards.delete(forward) },
    })
    this.#host.forwards.add(forward)
    await forward.listen()
    return forward
  }

  /** Copies a local file or folder into a pod, by the container's `tar`; a destination that ends with / or is a folder gets it inside. */
  async copyTo(local: string, pod: PodRef, remote: string, options?: PodCopyOptions): Promise<PodCopyReport> {
    return copyTo(this, { local: checkCopyPath(local, 'local'), pod: checkPod(pod), remote: checkCopyPath(remote, 'remote') }, checkPodCopy(options))
  }

  /** Copies a file or folder of a pod here, by the container's `tar`. Nothing of what comes lands outside of the destination. */
  async copyFrom(pod: PodRef, remote: string, local: string, options?: PodCopyOptions): Promise<PodCopyReport> {
    return copyFrom(this, { local: checkCopyPath(local, 'local'), pod: checkPod(pod), remote: checkCopyPath(remote, 'remote') }, checkPodCopy(options))
  }

  /** One call of the API, its answer collected. Rejects with the server's own words when it refuses. */
  async request(method: string, path: string, options?: KubernetesRequestOptions): Promise<KubernetesResponse> {
    const { signal, ...checked } = checkApiRequest(options)
    const link = linkAbort(signal, 'The request was aborted before it was sent')
    try {
      const { response, failure } = await this.#host.perform(() =>
        this.#host.native.request(this.#target, apiSpec(method, path, checked), link.token))
      if (failure !== undefined) throw errorFromFailure(failure, { reason: signal?.reason })
      if (response === undefined) throw new TypeError('the engine answered with neither response nor failure')
      return response
    } finally {
      link.unlink()
    }
  }

  /** As `request`, for an answer that comes piece by piece: logs, watches. */
  exchange(method: string, path: string, options?: KubernetesRequestOptions): Exchange {
    const { signal, ...checked } = checkApiRequest(options)
    return this.#exchange(() => this.#host.native.exchange(this.#target, apiSpec(method, path, checked)), signal)
  }

  get #target(): NativeKubeTarget {
    return this.#host.targets.find(this.#options)
  }

  /** At once, so that commands keep their order, unless the pod has to be found. */
  #nameOf(pod: PodRef, options: { namespace?: string; signal?: AbortSignal | undefined }): string | Promise<string> {
    return typeof pod === 'string' ? pod : findPod(this, pod.selector, options)
  }

  #exchange(start: () => NativeExchange, signal?: AbortSignal): Exchange {
    this.#host.noticed()
    return new Exchange(Promise.resolve(start()), () => { this.#host.settled(false) }, signal)
  }

  async #execute(
    { signal, stdin }: Pick<PodExecOptions, 'signal' | 'stdin'>, start: (given: Given) => Promise<ExecOutcome>,
  ): Promise<ExecOutcome> {
    const link = linkAbort(signal)
    try {
      return await feeding(stdin, link.token, (given) => this.#host.perform(async () => {
        const outcome = await start(given)
        this.#host.settled(outcome.output !== undefined)
        return outcome
      }))
    } finally {
      link.unlink()
    }
  }
}

/** A program without a line cannot change its directory itself, so its shell does it. */
function placeOf(target: NativeKubeTarget, pod: string, command: string | string[], options: PodOptions & { cwd?: string }): PodPlaceSpec {
  const { namespace = target.namespace, container, cwd } = options
  if (!Array.isArray(command)) return { namespace, pod, container }
  return { namespace, pod, container, workdir: cwd, argv: command }
}

/** What results and errors call the command. */
function lineOf(command: string | string[]): string {
  return Array.isArray(command) ? command.join(' ') : command
}
