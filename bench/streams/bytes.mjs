// What goes through a stream, the same for everybody.
import { Readable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'

const CHUNK = Buffer.alloc(64 * 1024)

/** Reads `size` bytes as they come, to the end. */
export async function emptied(stream, size) {
  let seen = 0
  stream.on('data', (chunk) => { seen += chunk.length })
  await finished(stream, { writable: false })
  if (seen !== size) throw new Error(`${seen} of ${size} bytes came`)
}

/** Writes `size` bytes in pieces as a file's stream has them, and the end. */
export function filled(stream, size) {
  return pipeline(Readable.from(chunks(size), { objectMode: false, highWaterMark: CHUNK.length }), stream)
}

function* chunks(size) {
  for (let left = size; left > 0; left -= CHUNK.length) yield left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK
}
