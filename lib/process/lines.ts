import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { setImmediate } from 'node:timers/promises'

/** Bytes after which others get their turn: whoever takes lines as fast as they come never leaves the microtasks. */
const TURN = 16 * 1024

/** The lines of a stream, without their ends. The last one counts even without an end. */
export async function* lines(stream: Readable, encoding: BufferEncoding): AsyncGenerator<string, void, undefined> {
  const decoder = new StringDecoder(encoding)
  let rest = ''
  let taken = 0
  for await (const chunk of stream as AsyncIterable<Buffer | string>) {
    for (const piece of pieces(chunk)) {
      taken += piece.length
      if (taken > TURN) {
        await setImmediate()
        taken = piece.length
      }
      const parts = (typeof piece === 'string' ? piece : decoder.write(piece)).split('\n')
      // What a long line has so far is not looked through again with every piece.
      const last = parts.pop() ?? ''
      for (const part of parts) {
        yield withoutReturn(rest + part)
        rest = ''
      }
      rest += last
    }
  }
  rest += decoder.end()
  if (rest !== '') yield withoutReturn(rest)
}

function* pieces(chunk: Buffer | string): Generator<Buffer | string, void, undefined> {
  for (let at = 0; at < chunk.length; at += TURN) {
    yield typeof chunk === 'string' ? chunk.slice(at, at + TURN) : chunk.subarray(at, at + TURN)
  }
}

/** Terminals and Windows end lines with both. */
const withoutReturn = (line: string): string => (line.endsWith('\r') ? line.slice(0, -1) : line)
