import type { Readable, Writable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import type { OutputTarget } from './command'
import { MaskedFlow } from './masked-flow'
import type { Outcome } from './outcome'

/** Does output go anywhere but into the result? */
export function goesOn(target: OutputTarget | undefined): target is Exclude<OutputTarget, 'pipe' | 'ignore'> {
  return target !== undefined && target !== 'pipe' && target !== 'ignore'
}

/** Takes pieces; with a promise, when it has no room for more. */
interface Sink {
  take: (bytes: Buffer) => Promise<void> | undefined
  end: () => Promise<void> | undefined
}

/**
 * Gives one of a command's output streams to where the caller wants it, masked, while the command runs. A Writable sets the
 * pace. Resolves when all of it is delivered, or the stream is destroyed; rejects when what takes it fails.
 */
export async function deliver(source: Readable, target: Exclude<OutputTarget, 'pipe' | 'ignore'>, own: Writable, call: Outcome): Promise<void> {
  const { config: { encoding, sensitiveDataMasking }, mask } = call
  const flow = sensitiveDataMasking.enabled === false ? undefined : new MaskedFlow(mask)
  const sink = typeof target === 'function' ? textSink(target, encoding) : streamSink(target === 'inherit' ? own : target)
  await each(source, (bytes) => sink.take(flow === undefined ? bytes : flow.push(bytes)))
  if (flow !== undefined) await sink.take(flow.end())
  await sink.end()
}

/** Not a loop over the stream: that would listen for errors, and then the stream has some. */
function each(source: Readable, take: (bytes: Buffer) => Promise<void> | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    source.on('data', (bytes: Buffer) => {
      try {
        const room = take(bytes)
        if (room === undefined) return
        source.pause()
        room.then(() => { source.resume() }, reject)
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
      }
    })
    source.once('close', resolve)
  })
}

function textSink(give: (text: string) => void, encoding: BufferEncoding): Sink {
  const decoder = new StringDecoder(encoding)
  return {
    take: (bytes) => {
      const text = decoder.write(bytes)
      if (text !== '') give(text)
      return undefined
    },
    end: () => {
      const rest = decoder.end()
      if (rest !== '') give(rest)
      return undefined
    },
  }
}

function streamSink(stream: Writable): Sink {
  return {
    take: (bytes) => (bytes.length === 0 ? undefined : write(stream, bytes)),
    // As `pipe` does: everything, then the end. The process's own streams have no end.
    end: () => {
      if (stream !== process.stdout && stream !== process.stderr) stream.end()
      return undefined
    },
  }
}

/** Always waits for the piece to be taken: a failure must be heard before the next one. */
function write(stream: Writable, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => {
      if (error == null) resolve()
      else reject(error)
    })
  })
}
