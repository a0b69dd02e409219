import { Readable } from 'node:stream'
import type { NativeProcess } from '../binding'

/** What an output stream needs of its command. */
export interface OutputSource {
  native: Promise<NativeProcess>
  /** Settles with how the command ended. */
  done: Promise<unknown>
}

/**
 * stdout or stderr of a command. Read at the consumer's pace: what is not read makes the command wait. When the command
 * was cut short, a consumer that listens for errors (loops and pipelines do) gets the error; for others the stream just
 * ends, because `done` tells.
 */
export function outputStream({ native, done }: OutputSource, stderr: boolean, encoding: BufferEncoding | undefined): Readable {
  const stream = new Readable({
    highWaterMark: 256 * 1024,
    ...(encoding === undefined ? {} : { encoding }),
    read() {
      native.then((process) => process.read(stderr)).then(
        (chunk) => {
          if (chunk === null) end()
          else stream.push(chunk)
        },
        // The command never began: `done` says why.
        end,
      )
    },
    destroy(error, callback) {
      native.then((process) => { process.discard(stderr) }, () => undefined).finally(() => { callback(error) })
    },
  })
  const end = (): void => {
    done.then(() => { stream.push(null) }, (error: unknown) => {
      if (error instanceof Error && stream.listenerCount('error') > 0) stream.destroy(error)
      else stream.push(null)
    })
  }
  return stream
}
