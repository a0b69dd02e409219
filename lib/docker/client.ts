import type { ExecOutcome, NativeDockerPool, NativeDockerTarget, PlaceSpec } from '../binding'
import { errorFromFailure } from '../errors'
import {
  checkApiRequest, checkContainer, checkContainerCommand, checkDockerExec, checkDockerSession, checkDockerSpawn, checkExecSession,
} from '../options'
import { linkAbort } from '../pool/abort'
import { commandSpec } from '../pool/command-spec'
import { type Given, feeding } from '../pool/fed'
import { settle } from '../pool/settle'
import { type RemoteProcess, spawnProcess } from '../process'
import { ShellSession } from '../session'
import type {
  ContainerOptions, DockerExecOptions, DockerRequestOptions, DockerResponse, DockerResult, DockerSessionOptions,
  DockerSpawnOptions, ExecSessionOptions,
} from '../types'
import { apiSpec } from './api-spec'
import { DockerExchange } from './exchange'
import { ExecSession } from './exec-session'
import type { TargetOrPromise } from './target'

/** What a client needs of its pool. */
export interface ClientHost {
  native: NativeDockerPool
  /** Lets the pool's events of the meantime out. */
  perform: <R>(work: () => Promise<R>) => Promise<R>
  noticed: () => void
  settled: (completed: boolean) => void
  shell: 'login' | 'persistent'
}

/** How an exchange goes, besides what every request has. */
export interface ExchangeOptions extends DockerRequestOptions {
  upload?: boolean
  framed?: boolean
  hijack?: boolean
}

/** One daemon, through a pool that keeps the connections to it. Cheap to make, and nothing to close. */
export class DockerClient {
  readonly #host: ClientHost
  #target: TargetOrPromise

  constructor(host: ClientHost, target: TargetOrPromise) {
    this.#host = host
    this.#target = target
    if (target instanceof Promise) target.then((found) => { this.#target = found }, () => undefined)
  }

  /** The daemon's socket or host; empty while ssh's configuration is being read for it. */
  get host(): string {
    return this.#target instanceof Promise ? '' : this.#target.host
  }

  /** As DOCKER_HOST has it; empty while ssh's configuration is being read for it. */
  get url(): string {
    return this.#target instanceof Promise ? '' : this.#target.url
  }

  /**
   * Runs a command in a container and resolves with how it ended, whatever its exit code. A string is a line for the
   * container's `sh`, an array a program and its arguments, for which the container needs no shell.
   */
  exec(container: string, command: string | string[], options: DockerExecOptions & { encoding: 'buffer' }): Promise<DockerResult<Buffer>>
  exec(container: string, command: string | string[], options?: DockerExecOptions & { encoding?: BufferEncoding }): Promise<DockerResult>
  exec(container: string, command: string | string[], options?: DockerExecOptions): Promise<DockerResult<string | Buffer>>
  async exec(container: string, command: string | string[], options?: DockerExecOptions): Promise<DockerResult<string | Buffer>> {
    const name = checkContainer(container)
    const words = checkContainerCommand(command)
    const checked = checkDockerExec(options)
    const place = placeOf(name, words, checked)
    const line = lineOf(words)
    const spec = { ...checked, ...(place.argv === undefined ? {} : { cwd: undefined }) }
    const { shell } = this.#host
    const outcome = await this.#execute(checked, ({ stdin, token, input }) => this.#with((target) =>
      this.#host.native.exec(target, place, commandSpec(line, spec as typeof checked, stdin, { shell }), token, input)))
    return { ...settle(this, line, checked, outcome), container: name }
  }

  /** The same as `exec`. */
  execute(container: string, command: string | string[], options: DockerExecOptions & { encoding: 'buffer' }): Promise<DockerResult<Buffer>>
  execute(container: string, command: string | string[], options?: DockerExecOptions & { encoding?: BufferEncoding }): Promise<DockerResult>
  execute(container: string, command: string | string[], options?: DockerExecOptions): Promise<DockerResult<string | Buffer>> {
    return this.exec(container, command, options)
  }

  /** Starts a command with live streams. Options are checked at once; everything else is told by `done`. */
  spawn(container: string, command: string | string[], options?: DockerSpawnOptions): RemoteProcess {
    const name = checkContainer(container)
    const words = checkContainerCommand(command)
    const checked = checkDockerSpawn(options)
    const place = placeOf(name, words, checked)
    this.#host.noticed()
    return spawnProcess({
      host: this.host,
      start: async (spec, token) =>
        this.#host.native.spawn(await this.#target, place, place.argv === undefined ? spec : { ...spec, cwd: undefined }, token),
      settled: this.#host.settled,
    }, lineOf(words), checked)
  }

  /** Opens a shell in a container that keeps directory, variables and functions between commands. */
  async session(container: string, options?: DockerSessionOptions): Promise<ShellSession> {
    const name = checkContainer(container)
    const { user, workdir, privileged, signal, ...first } = checkDockerSession(options)
    const place: PlaceSpec = { container: name, user, workdir, privileged }
    const link = linkAbort(signal, 'The session was aborted before it was opened')
    try {
      const { session, failure } = await this.#host.perform(() => this.#with((target) =>
        this.#host.native.session(target, place, commandSpec(':', first, undefined), link.token)))
      if (failure !== undefined) throw errorFromFailure(failure, { reason: signal?.reason })
      if (session === undefined) throw new TypeError('the engine answered with neither session nor failure')
      return new ShellSession(session, {
        host: this.host, perform: this.#host.perform, completed: () => { this.#host.settled(true) },
      })
    } finally {
      link.unlink()
    }
  }

  /** An exec in the Engine API's own words, to be started, written to and ended by hand. */
  createExecSession(container: string, options?: ExecSessionOptions): ExecSession {
    return new ExecSession(this, checkContainer(container), checkExecSession(options))
  }

  /**
   * One call of the Engine API, its answer collected. `path` has no version: the one agreed on is put before it. Rejects
   * with the daemon's own words when it refuses; 304 is an answer.
   */
  async request(method: string, path: string, options?: DockerRequestOptions): Promise<DockerResponse> {
    const { signal, ...checked } = checkApiRequest(options)
    const link = linkAbort(signal, 'The request was aborted before it was sent')
    try {
      const { response, failure } = await this.#host.perform(() => this.#with((target) =>
        this.#host.native.request(target, apiSpec(method, path, checked), link.token)))
      if (failure !== undefined) throw errorFromFailure(failure, { reason: signal?.reason })
      if (response === undefined) throw new TypeError('the engine answered with neither response nor failure')
      return response
    } finally {
      link.unlink()
    }
  }

  /** As `request`, for an answer that comes piece by piece: logs, events, archives, an attached container. */
  exchange(method: string, path: string, options: ExchangeOptions = {}): DockerExchange {
    const { upload, framed, hijack, ...rest } = options
    const { signal, ...checked } = checkApiRequest(rest)
    this.#host.noticed()
    const spec = { ...apiSpec(method, path, checked), upload, framed, hijack }
    const native = Promise.resolve(this.#with((target) => this.#host.native.exchange(target, spec)))
    return new DockerExchange(native, () => { this.#host.settled(false) }, signal)
  }

  /** At once, so that commands keep their order, when it is known which daemon is meant. */
  #with<R>(work: (target: NativeDockerTarget) => R): R | Promise<Awaited<R>> {
    return this.#target instanceof Promise ? this.#target.then((target) => work(target)) as Promise<Awaited<R>> : work(this.#target)
  }

  async #execute({ signal, stdin }: Pick<DockerExecOptions, 'signal' | 'stdin'>, start: (given: Given) => Promise<ExecOutcome>): Promise<ExecOutcome> {
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

/** A program without a shell cannot change its directory itself, so the daemon does it. */
function placeOf(container: string, command: string | string[], options: ContainerOptions & { cwd?: string }): PlaceSpec {
  const { user, workdir, privileged, cwd } = options
  if (!Array.isArray(command)) return { container, user, workdir, privileged }
  return { container, user, workdir: cwd ?? workdir, privileged, argv: command }
}

/** What results and errors call the command. */
function lineOf(command: string | string[]): string {
  return Array.isArray(command) ? command.join(' ') : command
}
