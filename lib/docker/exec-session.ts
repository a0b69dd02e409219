import type { Readable } from 'node:stream'
import { InvalidUsageError } from '../errors'
import type { RemoteProcess } from '../process'
import type { DockerSpawnOptions, ExecSessionOptions, ExecSessionResult } from '../types'
import type { DockerClient } from './client'

/** For the process to end by itself after its input has ended. */
const FAREWELL = 2_000

/**
 * An exec that is started, written to and ended by hand. What it says is read from `stdout` and `stderr`; output that
 * nobody reads makes the process wait, once about a megabyte of it has come.
 */
export class ExecSession implements AsyncDisposable {
  readonly container: string
  readonly #client: DockerClient
  readonly #options: ExecSessionOptions
  #process: RemoteProcess | undefined
  #starting: Promise<void> | undefined

  constructor(client: DockerClient, container: string, options: ExecSessionOptions) {
    this.#client = client
    this.container = container
    this.#options = options
  }

  /** Starts it; rejects when the container is not there or does not run. Starting twice is once. */
  start(): Promise<void> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  get stdout(): Readable {
    return this.#running().stdout
  }

  get stderr(): Readable {
    return this.#running().stderr
  }

  /** How it ended; rejects as `RemoteProcess.done` does. */
  get done(): Promise<ExecSessionResult> {
    return this.#running().done
  }

  /** Sends input; resolves when there is room for more, to false when the process reads no more. */
  write(data: string | Buffer): Promise<boolean> {
    const { stdin } = this.#running()
    if (!stdin.writable) return Promise.resolve(false)
    return new Promise((resolve) => {
      stdin.write(data, (error) => { resolve(error == null && !stdin.destroyed) })
    })
  }

  /** Tells the terminal its new size. */
  resize(columns: number, rows: number): boolean {
    return this.#running().resize(columns, rows)
  }

  kill(signal: NodeJS.Signals | number = 'SIGTERM'): boolean {
    return this.#running().kill(signal)
  }

  /**
   * Ends its input and waits for it to end, which shells do then; what has not ended after two seconds is ended by force.
   * Resolves with how it ended, to undefined when it had to be forced, or had never started.
   */
  async end(): Promise<ExecSessionResult | undefined> {
    const process = this.#process
    if (process === undefined) return undefined
    // What nobody reads must not keep it from ending.
    if (process.stdout.readableFlowing !== true) process.stdout.resume()
    if (process.stderr.readableFlowing !== true) process.stderr.resume()
    process.stdin.end()
    const forced = new AbortController()
    const timer = setTimeout(() => {
      forced.abort()
      void process[Symbol.asyncDispose]()
    }, FAREWELL)
    try {
      return await process.done
    } catch (error) {
      if (forced.signal.aborted) return undefined
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }

  async #start(): Promise<void> {
    // Asked first, because a spawned command tells how it fails only at its end.
    const { body } = await this.#client.request('GET', `/containers/${this.container}/json`)
    const { State: { Running: running = false } = {} } = JSON.parse(body.toString()) as { State?: { Running?: boolean } }
    if (!running) {
      throw new InvalidUsageError({
        code: 'ENOTRUNNING', kind: 'invalid-usage', phase: 'open-channel', host: this.#client.host, reached: false,
        message: `Container ${this.container} is not running`,
      })
    }
    const { Cmd = ['/bin/sh'], AttachStdin, AttachStdout, AttachStderr } = this.#options
    const process = this.#client.spawn(this.container, Cmd, spawnOptions(this.#options))
    if (AttachStdin === false) process.stdin.end()
    if (AttachStdout === false) process.stdout.resume()
    if (AttachStderr === false) process.stderr.resume()
    this.#process = process
  }

  #running(): RemoteProcess {
    if (this.#process !== undefined) return this.#process
    throw new InvalidUsageError({
      code: 'ESESSIONCLOSED', kind: 'invalid-usage', phase: 'run', reached: false,
      message: 'The exec session was not started: await start() first',
    })
  }
}

function spawnOptions({ Env = [], Tty = false, User, WorkingDir, Privileged }: ExecSessionOptions): DockerSpawnOptions {
  return {
    env: Object.fromEntries(Env.map((assignment) => splitAt(assignment, assignment.indexOf('=')))),
    ...(User === undefined ? {} : { user: User }),
    ...(WorkingDir === undefined ? {} : { workdir: WorkingDir }),
    ...(Privileged === undefined ? {} : { privileged: Privileged }),
    ...(Tty ? { pty: true } : {}),
  }
}

function splitAt(text: string, index: number): [string, string] {
  return [text.slice(0, index), text.slice(index + 1)]
}
