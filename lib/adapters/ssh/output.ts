import type { Writable } from 'node:stream'
import { type Mask, maskBytes } from '../../masking'
import type { OutputTarget } from './command'

/** Gives a stream's output to where the caller wants it, masked, and returns what of it belongs into the result. */
export async function deliver(
  raw: Buffer, target: OutputTarget | undefined, own: Writable, mask: Mask, encoding: BufferEncoding,
): Promise<Buffer> {
  if (target === undefined || target === 'pipe') return raw
  const bytes = maskBytes(raw, mask)
  if (typeof target === 'function') target(bytes.toString(encoding))
  else if (target === 'inherit') await write(own, bytes)
  else if (target !== 'ignore') await writeAll(target, bytes)
  return Buffer.alloc(0)
}

/** As `pipe` does: everything, then the end. The process's own streams have no end. */
async function writeAll(target: Writable, bytes: Buffer): Promise<void> {
  await write(target, bytes)
  if (target !== process.stdout && target !== process.stderr) target.end()
}

function write(target: Writable, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    target.write(bytes, (error) => {
      if (error == null) resolve()
      else reject(error)
    })
  })
}
