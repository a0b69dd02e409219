import type { Readable } from 'node:stream'
import { InvalidUsageError } from '../errors'

/** Where the pieces of a command's stdin go. */
export interface Inlet {
  /** Resolves when there is room for the next piece; to false when the command reads no more. */
  write: (data: Buffer) => Promise<boolean>
  end: () => void
}

/**
 * A stream on its way to a command's stdin, at the pace at which the command reads. The stream is the command's from then
 * on: what is left of it when the command has ended, or reads no more, is destroyed.
 */
export class Feed {
  readonly #source: Readable
  readonly #ended: Promise<void>
  #broken: { cause: unknown } | undefined
  #stopped = false

  /** `failed` is called when the stream does, which is the end of the command. */
  constructor(source: Readable, inlet: Inlet, failed: () => void) {
    this.#source = source
    this.#ended = pour(source, inlet).catch((cause: unknown) => {
      if (this.#stopped) return
      this.#broken = { cause }
      failed()
    })
  }

  /** The error to give instead of the one that ending the command made. */
  error(reached: boolean | undefined): InvalidUsageError | undefined {
    return this.#broken === undefined ? undefined : stdinError(this.#broken.cause, reached)
  }

  /** The command has ended. */
  stop(): Promise<void> {
    this.#stopped = true
    this.#source.destroy()
    return this.#ended
  }
}

async function pour(source: Readable, inlet: Inlet): Promise<void> {
  // Leaving the loop destroys the stream.
  for await (const chunk of source) {
    if (!await inlet.write(chunkOf(chunk))) return
  }
  inlet.end()
}

export function chunkOf(chunk: unknown): Buffer {
  if (typeof chunk === 'string') return Buffer.from(chunk)
  if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  throw new TypeError('the stream gave something that is neither text nor bytes')
}

export function stdinError(cause: unknown, reached: boolean | undefined): InvalidUsageError {
  const what = reached === false ? 'so the command was not started' : 'so the command was ended'
  return new InvalidUsageError({
    code: 'ESTDIN', kind: 'invalid-usage', phase: 'run', cause, ...(reached === undefined ? {} : { reached }),
    message: `Reading the stdin stream failed, ${what}`,
  })
}
