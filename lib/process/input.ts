import { Writable } from 'node:stream'
import type { NativeProcess } from '../binding'

/** stdin of a command. A command that reads no more closes it, without an error: commands may stop reading. */
export function inputStream(native: Promise<NativeProcess>): Writable {
  const send = (pieces: Buffer[], callback: () => void): void => {
    native.then((process) => process.write(pieces)).then((open) => {
      callback()
      if (!open) stream.destroy()
    }, () => {
      // The command never began: `done` says why.
      callback()
      stream.destroy()
    })
  }
  const stream = new Writable({
    highWaterMark: 256 * 1024,
    write(chunk: Buffer, _encoding, callback) { send([chunk], callback) },
    writev(chunks, callback) { send(chunks.map(({ chunk }) => chunk as Buffer), callback) },
    final(callback) { end(callback) },
    destroy(error, callback) { end(() => { callback(error) }) },
  })
  const end = (callback: () => void): void => {
    native.then((process) => { process.end() }, () => undefined).finally(callback)
  }
  return stream
}
