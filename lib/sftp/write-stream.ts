import { Writable } from 'node:stream'
import type { NativeSftp, NativeWriteStream } from '../binding'
import { errorFromFailure } from '../errors'
import type { SFTPWriteStreamOptions } from '../types'
import { settled } from './answer'

type Done = (error?: Error | null) => void

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

const settle = (work: Promise<unknown>, done: Done): void => {
  work.then(() => { done() }, (error: unknown) => { done(asError(error)) })
}

/** A remote file as a Writable. 'finish' means that the server has confirmed every byte and closed the file. */
export class SFTPWriteStream extends Writable {
  readonly #session: NativeSftp
  readonly #path: string
  readonly #options: SFTPWriteStreamOptions
  #native: NativeWriteStream | undefined

  constructor(session: NativeSftp, path: string, options: SFTPWriteStreamOptions) {
    const { signal, highWaterMark = 1024 * 1024 } = options
    super({ signal, highWaterMark })
    this.#session = session
    this.#path = path
    this.#options = options
  }

  override _construct(done: Done): void {
    settle(this.#open(), done)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    settle(this.#write(chunk), done)
  }

  /** What has gathered goes over in one call. */
  override _writev(chunks: { chunk: Buffer; encoding: BufferEncoding }[], done: Done): void {
    settle(this.#write(Buffer.concat(chunks.map(({ chunk }) => chunk))), done)
  }

  override _final(done: Done): void {
    settle(this.#finish(), done)
  }

  override _destroy(error: Error | null, done: Done): void {
    const closed = this.#native?.close() ?? Promise.resolve()
    closed.then(() => { done(error) }, () => { done(error) })
  }

  async #open(): Promise<void> {
    const { flags = 'w', mode, start = 0 } = this.#options
    const { stream, failure } = await this.#session.openWrite(this.#path, flags, mode, start)
    if (failure !== undefined) throw errorFromFailure(failure)
    this.#native = stream
  }

  async #write(chunk: Buffer): Promise<void> {
    if (this.#native !== undefined) await settled(this.#native.write(chunk))
  }

  async #finish(): Promise<void> {
    if (this.#native !== undefined) await settled(this.#native.finish())
  }
}
