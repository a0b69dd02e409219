import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { setImmediate } from 'node:timers/promises'

/** Lines after which others get their turn: whoever takes them as fast as they come never leaves the microtasks. */
const TURN = 256

/** The lines of a stream, without their ends. The last one counts even without an end. */
export async function* lines(stream: Readable, encoding: BufferEncoding): AsyncGenerator<string, void, undefined> {
  const decoder = new StringDecoder(encoding)
  let rest = ''
  let given = 0
  for await (const chunk of stream as AsyncIterable<Buffer | string>) {
    const complete = (rest + (typeof chunk === 'string' ? chunk : decoder.write(chunk))).split('\n')
    rest = complete.pop() ?? ''
    for (const line of complete) {
      yield withoutReturn(line)
      given += 1
      if (given % TURN === 0) await setImmediate()
    }
  }
  rest += decoder.end()
  if (rest !== '') yield withoutReturn(rest)
}

/** Terminals and Windows end lines with both. */
const withoutReturn = (line: string): string => (line.endsWith('\r') ? line.slice(0, -1) : line)
