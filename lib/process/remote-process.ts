import type { Readable, Writable } from 'node:stream'
import type { CancelToken, NativeProcess } from '../binding'
import { checkSignal, checkTerminalSize } from '../options'
import type { SpawnResult } from '../types'
import { inputStream } from './input'
import { lines } from './lines'
import { outputStream } from './output'

/** A command being started, and how it is ended. */
export interface Start {
  command: string
  host: string
  native: Promise<NativeProcess>
  done: Promise<SpawnResult>
  token: CancelToken
  encoding: BufferEncoding | undefined
}

/**
 * A remote command whose streams are live.
 *
 * Output that nobody reads makes the command wait, once about a megabyte of it has come; call `resume()` on a stream you do
 * not want. It keeps the Node.js process alive until the command has ended.
 */
export class RemoteProcess implements AsyncDisposable, AsyncIterable<string> {
  readonly command: string
  readonly host: string
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
  /** How it ended, whatever the exit code; rejects with an XecNativeError when it could not be run to its end. */
  readonly done: Promise<SpawnResult>
  readonly #native: Promise<NativeProcess>
  readonly #token: CancelToken
  readonly #encoding: BufferEncoding
  #ended = false

  constructor({ command, host, native, done, token, encoding }: Start) {
    this.command = command
    this.host = host
    this.#native = native
    this.#token = token
    this.#encoding = encoding ?? 'utf8'
    this.done = done
    this.stdin = inputStream(native)
    this.stdout = outputStream({ native, done }, false, encoding)
    this.stderr = outputStream({ native, done }, true, encoding)
    // Whoever wants to know asks `done`; an error that nobody asks for must not end the program.
    done.catch(() => undefined).finally(() => { this.#ended = true }).catch(() => undefined)
    native.catch(() => undefined)
  }

  /** Sends a signal, by name or number, as soon as the command runs. `false`: it has ended. */
  kill(signal: NodeJS.Signals | number = 'SIGTERM'): boolean {
    const name = checkSignal(signal)
    if (this.#ended) return false
    // Before it has begun, the signal waits for it; if it never begins, `done` says why.
    this.#native.then((process) => process.signal(name), () => undefined)
    return true
  }

  /** Tells the terminal its new size. `false`: the command has ended. */
  resize(columns: number, rows: number): boolean {
    const size = checkTerminalSize(columns, rows)
    if (this.#ended) return false
    this.#native.then((process) => process.resize(...size), () => undefined)
    return true
  }

  /** The lines of stdout. Leaving the loop early ends the command. What comes on stderr is dropped unless it is read. */
  async* [Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    if (this.stderr.readableFlowing === null && this.stderr.listenerCount('readable') === 0) this.stderr.resume()
    try {
      yield* lines(this.stdout, this.#encoding)
    } finally {
      // After the last line there is nothing left to end.
      if (!this.stdout.readableEnded) this.#token.cancel()
    }
  }

  /** Ends the command and waits until it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#token.cancel()
    await this.done.catch(() => undefined)
  }
}
