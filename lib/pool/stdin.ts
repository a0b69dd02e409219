import { Readable, addAbortSignal } from 'node:stream'
import { InvalidUsageError } from '../errors'
import { abortError } from './abort'

/** The whole input of a command. A stream is read to its end: commands are buffered, streams come later. */
export async function readStdin(
  stdin: string | Buffer | Readable | undefined,
  signal: AbortSignal | undefined,
): Promise<string | Buffer | undefined> {
  if (stdin === undefined || typeof stdin === 'string' || Buffer.isBuffer(stdin)) return stdin
  try {
    return await collect(signal === undefined ? stdin : addAbortSignal(signal, stdin))
  } catch (cause) {
    if (signal?.aborted === true) throw abortError(signal)
    throw new InvalidUsageError({
      code: 'ESTDIN', kind: 'invalid-usage', reached: false, cause,
      message: 'Reading the stdin stream failed, so the command was not started',
    })
  }
}

async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) {
    chunks.push(toBuffer(chunk))
  }
  return Buffer.concat(chunks)
}

function toBuffer(chunk: unknown): Buffer {
  if (typeof chunk === 'string') return Buffer.from(chunk)
  if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  throw new TypeError('the stream gave something that is neither text nor bytes')
}
