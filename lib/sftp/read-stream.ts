import { Readable } from 'node:stream'
import type { NativeReadStream, NativeSftp } from '../binding'
import { errorFromFailure } from '../errors'
import type { SFTPReadStreamOptions } from '../types'

type Done = (error?: Error | null) => void

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

/** A remote file as a Readable. Nothing is read before somebody wants it, and then a bounded part ahead. */
export class SFTPReadStream extends Readable {
  readonly #session: NativeSftp
  readonly #path: string
  readonly #start: number
  readonly #end: number | undefined
  #native: NativeReadStream | undefined

  constructor(session: NativeSftp, path: string, options: SFTPReadStreamOptions) {
    const { start = 0, end, encoding, signal, highWaterMark = 1024 * 1024 } = options
    super({ encoding, signal, highWaterMark })
    this.#session = session
    this.#path = path
    this.#start = start
    this.#end = end === undefined ? undefined : end + 1
  }

  override _construct(done: Done): void {
    this.#open().then(() => { done() }, (error: unknown) => { done(asError(error)) })
  }

  override _read(): void {
    this.#next().catch((error: unknown) => { this.destroy(asError(error)) })
  }

  override _destroy(error: Error | null, done: Done): void {
    const closed = this.#native?.close() ?? Promise.resolve()
    closed.then(() => { done(error) }, () => { done(error) })
  }

  async #open(): Promise<void> {
    const { stream, failure } = await this.#session.openRead(this.#path, this.#start, this.#end)
    if (failure !== undefined) throw errorFromFailure(failure)
    this.#native = stream
  }

  async #next(): Promise<void> {
    const piece = await this.#native?.read()
    if (piece?.failure !== undefined) throw errorFromFailure(piece.failure)
    if (!this.destroyed) this.push(piece?.data ?? null)
  }
}
