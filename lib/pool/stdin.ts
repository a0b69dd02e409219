import { Readable, addAbortSignal } from 'node:stream'
import { InvalidUsageError } from '../errors'
import { abortError } from './abort'

type Input = string | Buffer | undefined

/**
 * The whole input of a command. A stream is read to its end: commands are buffered, streams come later. What is there
 * already is given at once, not by a promise, so that a command takes its place in the order of the calls.
 */
export function readStdin(stdin: Input | Readable, signal: AbortSignal | undefined): Input | Promise<Input> {
  if (stdin === undefined || typeof stdin === 'string' || Buffer.isBuffer(stdin)) return stdin
  return readStream(stdin, signal)
}

async function readStream(stdin: Readable, signal: AbortSignal | undefined): Promise<Buffer> {
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
