import { type DockerClient, DockerConnectionPool } from '../../docker'
import { InvalidOptionError, XecNativeError } from '../../errors'
import type { Mask } from '../../masking'
import type { CommandResult } from '../../types'
import type { AdapterCommand } from '../ssh/command'
import type { ExecutionResult, ResultFields } from '../ssh/execution-result'
import { cutShortFields, endedFields, maskPartialOutput, partialFields } from '../ssh/outcome'
import { type DockerCall, newDockerCall } from './call'
import { hasDockerOptions } from './command'
import {
  DEFAULT_DOCKER_CONFIG, type DockerAdapterConfig, type ResolvedDockerConfig, checkDockerConfig, daemonHost, mergeDockerConfig,
} from './config'
import { stamp } from './events'
import { execInContainer, isMissingContainer, runInNewContainer } from './executor'
import { NOT_BEGUN, dockerFailure, exitCodeOf, inCoresWords } from './failures'
import { DockerOperations } from './operations'
import type { Room } from './room'
import { kindOf, type DockerShapes, nativeDockerShapes } from './shapes'
import { TemporaryContainers } from './temporary'

/** For `@xec-sh/native/xec`. */
export interface DockerAdapterInternals {
  shapes?: DockerShapes
  /** A pool shared with others, whose life is not this adapter's business. */
  pool?: DockerConnectionPool
}

/** Runs commands in containers, and manages these, in the way @xec-sh/core asks of an adapter. Works without core as well. */
export class DockerAdapter extends DockerOperations implements AsyncDisposable {
  readonly name: string = 'docker'
  readonly adapterName: string = 'docker'
  readonly #shapes: DockerShapes
  readonly #shared: DockerConnectionPool | undefined
  readonly #temporary = new TemporaryContainers()
  /** Made when it is needed: which daemon is meant may depend on the environment. */
  #pool: DockerConnectionPool | undefined
  #waitsAhead: Promise<boolean> | undefined
  #config: ResolvedDockerConfig
  #mask: Mask

  constructor(config: DockerAdapterConfig = {}, internals: DockerAdapterInternals = {}) {
    super()
    this.#config = mergeDockerConfig(DEFAULT_DOCKER_CONFIG, checkDockerConfig(config))
    this.#shapes = internals.shapes ?? nativeDockerShapes
    this.#mask = this.#shapes.createMask(this.#config.sensitiveDataMasking)
    this.#shared = internals.pool
  }

  /**
   * Runs a command in a container, or in one of its own with an image. An exit code other than 0 rejects, unless `nothrow` or the
   * configuration says otherwise, or a promise of core will judge the result itself.
   */
  async execute(command: AdapterCommand): Promise<ExecutionResult> {
    const result = this.#shapes.result(await this.#run(this.#prepare(command)))
    if (this.#throws(command)) result.throwIfFailed()
    return result
  }

  /** Runs a program in a container and parses what it prints. */
  async execJson<T = unknown>(container: string, command: string[]): Promise<T> {
    const [program, ...args] = Array.isArray(command) ? command : []
    if (program === undefined || program === '') throw this.#refused('exec', container, new InvalidOptionError('command', 'expected a program and its arguments'))
    const result = await this.execute({ command: program, args, shell: false, throwOnNonZeroExit: true, adapterOptions: asDocker({ container }) })
    try {
      // What the program prints is for its caller to know.
      return JSON.parse(result.stdout) as T
    } catch (cause) {
      const error = new XecNativeError({ code: 'EJSON', kind: 'unknown', phase: 'run', reached: true, cause, message: `What ${program} printed is no JSON` })
      throw this.#refused('exec', container, error)
    }
  }

  /** The daemon, for calls of the API that this adapter has no method for. */
  get client(): DockerClient {
    return this.#room().client
  }

  /** Does the daemon answer? */
  async isAvailable(): Promise<boolean> {
    try {
      const { client, managementTimeout: timeout } = this.#room()
      await client.request('GET', '/_ping', { timeout })
      return true
    } catch {
      return false
    }
  }

  /** Changes some of the configuration; running commands keep what they were started with, and the daemon stays the same. */
  updateConfig(config: DockerAdapterConfig): void {
    const changes = checkDockerConfig(config)
    if (this.#pool !== undefined && daemonHost(changes) !== undefined && daemonHost(changes) !== daemonHost(this.#config)) {
      throw new InvalidOptionError('host', 'the adapter has been connected to another daemon; make a new adapter')
    }
    this.#config = mergeDockerConfig(this.#config, changes)
    this.#mask = this.#shapes.createMask(this.#config.sensitiveDataMasking)
  }

  getConfig(): Readonly<DockerAdapterConfig> {
    return { ...this.#config }
  }

  /** Removes temporary containers and closes the connections. The adapter can be used again and then opens new ones. */
  async dispose(): Promise<void> {
    const room = this.#temporary.isEmpty ? undefined : this.#room()
    if (room !== undefined) {
      await this.#temporary.removeAll(room, (container, success) => { this.emitSafely('temp:cleanup', { ...stamp(), container, success }) })
    }
    await (this.#shared === undefined ? this.#pool?.closeAll() : this.#shared.closeIdleConnections())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  protected override listenersChanged(): void {
    // Its events are made whether anybody listens or not.
  }

  protected override async operation<T>(operation: string, container: string, work: (room: Room) => Promise<T>): Promise<T> {
    try {
      return await work(this.#room())
    } catch (error) {
      throw dockerFailure(error, { operation, command: operation, host: '', timeout: 0 }, container, this.#shapes)
    }
  }

  #room(): Room {
    const { managementTimeout, transferTimeout, maxBuffer } = this.#config
    const host = daemonHost(this.#config)
    this.#pool ??= this.#shared ?? new DockerConnectionPool(host === undefined ? {} : { host })
    return { client: this.#pool.client, url: host, managementTimeout, transferTimeout, maxBuffer }
  }

  #prepare(command: AdapterCommand): DockerCall {
    if (!hasDockerOptions(command)) {
      throw this.#shapes.adapterError('execute', new Error('Docker container options not provided'), 'invalid-usage')
    }
    try {
      return newDockerCall(command, this.#config, this.#mask, daemonHost(this.#config) ?? 'docker')
    } catch (error) {
      throw error instanceof Error ? this.#refused('validate', containerIn(command), error) : error
    }
  }

  async #run(call: DockerCall): Promise<ResultFields> {
    try {
      const { ended, in: place } = await this.#begin(call)
      return await endedFields(place, ended)
    } catch (error) {
      const cutShort = cutShortFields(call, error) ?? notBegunFields(call, error)
      if (cutShort !== undefined) return cutShort
      maskPartialOutput(error, call.mask)
      throw dockerFailure(error, call.failed, call.place.container, this.#shapes)
    }
  }

  async #begin(call: DockerCall): Promise<Ended> {
    const { place, failed: { command } } = call
    if (place.mode === 'exec') return this.#exec(call)
    this.emitSafely('docker:run', { ...stamp(), image: place.image, container: place.container, command })
    const waitsAhead = await this.#waiting()
    return { ended: await runInNewContainer(this.#room(), call, waitsAhead), in: call }
  }

  /** A missing container is found out by trying: asking first would cost every command a round trip. */
  async #exec(call: DockerCall): Promise<Ended> {
    const { place: { container }, failed: { command } } = call
    const room = this.#room()
    this.emitSafely('docker:exec', { ...stamp(), container, command })
    try {
      return { ended: await execInContainer(room.client, call), in: call }
    } catch (error) {
      const { enabled, ...temporary } = this.#config.autoCreate
      if (!enabled || !isMissingContainer(error)) throw error
      const standIn = await this.#temporary.for(container, room, temporary)
      this.emitSafely('docker:run', { ...stamp(), image: temporary.image, container: standIn, command: 'sh' })
      const moved = { ...call, place: { ...call.place, container: standIn }, where: { ...call.where, container: standIn } }
      return { ended: await execInContainer(room.client, moved), in: moved }
    }
  }

  /** Asked once: daemons do not change what they are. */
  #waiting(): Promise<boolean> {
    const { client, managementTimeout: timeout } = this.#room()
    this.#waitsAhead ??= client.request('GET', '/_ping', { timeout }).then(
      ({ headers }) => /^docker/i.test(headers['server'] ?? ''),
      (error: unknown) => {
        this.#waitsAhead = undefined
        throw error
      },
    )
    return this.#waitsAhead
  }

  #refused(operation: string, container: string, error: Error): Error {
    return error instanceof XecNativeError
      ? dockerFailure(error, { operation, command: operation, host: '', timeout: 0 }, container, this.#shapes)
      : this.#shapes.dockerError(container, operation, error, kindOf(error))
  }

  #throws(command: AdapterCommand): boolean {
    if (command.__fromProcessPromise === true) return false
    if (command.nothrow !== undefined) return !command.nothrow
    return command.throwOnNonZeroExit ?? this.#config.throwOnNonZeroExit
  }
}

/** A command that ran, and the call as it was where it ran. */
interface Ended {
  ended: CommandResult<Buffer>
  in: DockerCall
}

/** With `nothrow`, a command that could not even begin is a result; a program that is missing in a new container always is. */
function notBegunFields(call: DockerCall, error: unknown): ResultFields | undefined {
  if (!(error instanceof XecNativeError)) return undefined
  const exitCode = call.place.mode === 'run' ? exitCodeOf(error) : undefined
  if (exitCode !== undefined) return partialFields(call, error, exitCode)
  return call.command.nothrow === true && NOT_BEGUN.has(error.code) ? partialFields(call, inCoresWords(error, call.place.container), 125) : undefined
}

const asDocker = (options: { container: string }): { type: string } => ({ type: 'docker', ...options })

function containerIn(command: AdapterCommand): string {
  const { adapterOptions } = command
  return adapterOptions !== undefined && 'container' in adapterOptions && typeof adapterOptions.container === 'string' ? adapterOptions.container : ''
}
