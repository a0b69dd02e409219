import { Readable, Writable } from 'node:stream'
import type { HeadRecord, NativeExchange } from '../binding'
import { errorFromFailure } from '../errors'
import { onAbort } from '../on-abort'

/**
 * A call of the Engine API whose answer comes piece by piece, at its reader's pace. Destroying a stream before its end, or
 * `cancel()`, ends the call and its line at once.
 */
export class DockerExchange {
  readonly #native: Promise<NativeExchange>
  /** The status and headers of the answer; rejects when the daemon refuses or cannot be reached. */
  readonly head: Promise<HeadRecord>
  /** Resolves when the answer is here, rejects when it is cut short. */
  readonly done: Promise<void>
  #stdout: Readable | undefined
  #stderr: Readable | undefined

  constructor(native: Promise<NativeExchange>, settled: () => void, signal?: AbortSignal) {
    this.#native = native
    const cancel = (): void => { this.cancel() }
    const unlink = signal === undefined ? undefined : onAbort(signal, cancel)
    if (signal?.aborted === true) cancel()
    this.done = native.then((exchange) => exchange.finished()).then((failure) => {
      if (failure !== null) throw errorFromFailure(failure, { reason: signal?.reason })
    }).finally(() => {
      unlink?.()
      settled()
    })
    this.head = native.then((exchange) => exchange.head()).then(async (head) => {
      if (head !== null) return head
      // It failed before there was one: `done` says how.
      await this.done
      throw new TypeError('the engine answered without a head')
    })
    // Whoever wants to know asks; what nobody asks for must not end the program.
    this.done.catch(() => undefined)
    this.head.catch(() => undefined)
  }

  /** The answer's body; with frames, what was said on stdout. */
  get stdout(): Readable {
    this.#stdout ??= this.#stream(false)
    return this.#stdout
  }

  /** With frames, what was said on stderr. */
  get stderr(): Readable {
    this.#stderr ??= this.#stream(true)
    return this.#stderr
  }

  /** The request's body, or what goes over a line that was taken over. */
  get stdin(): Writable {
    return new Writable({
      write: (chunk: Buffer, _encoding, callback) => { this.write(chunk).then(() => { callback() }, callback) },
      final: (callback) => {
        this.end()
        callback()
      },
    })
  }

  /** Resolves when there is room for the next piece; to false when nobody takes it. */
  write(data: Buffer): Promise<boolean> {
    return this.#native.then((exchange) => exchange.write(data))
  }

  end(): void {
    this.#native.then((exchange) => { exchange.end() }, () => undefined)
  }

  /** What comes is dropped. */
  discard(stderr: boolean): void {
    this.#native.then((exchange) => { exchange.discard(stderr) }, () => undefined)
  }

  cancel(): void {
    this.#native.then((exchange) => { exchange.cancel() }, () => undefined)
  }

  #stream(stderr: boolean): Readable {
    const native = this.#native
    const fail = (error: unknown): void => { stream.destroy(error instanceof Error ? error : new Error(String(error))) }
    const stream = new Readable({
      highWaterMark: 256 * 1024,
      read: () => {
        native.then((exchange) => exchange.read(stderr)).then((chunk) => {
          if (chunk !== null) stream.push(chunk)
          else this.done.then(() => { stream.push(null) }, fail)
        }, fail)
      },
      destroy: (error, callback) => {
        this.discard(stderr)
        if (!stream.readableEnded) this.cancel()
        callback(error)
      },
    })
    return stream
  }
}
