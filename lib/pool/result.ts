import type { OutputRecord } from '../binding'
import type { CommandResult } from '../types'

/** Turns the bytes of stdout or stderr into what the caller asked for. */
export type Decode = (bytes: Buffer) => string | Buffer

export function decoder(encoding: BufferEncoding | 'buffer' = 'utf8'): Decode {
  return encoding === 'buffer' ? (bytes) => bytes : (bytes) => bytes.toString(encoding)
}

export function commandResult(
  command: string, host: string, output: OutputRecord, decode: Decode,
): CommandResult<string | Buffer> {
  const { exitCode, signal, duration, queued, connect, run } = output
  return {
    command,
    host,
    stdout: decode(output.stdout),
    stderr: decode(output.stderr),
    ...(output.stdall === undefined ? {} : { stdall: decode(output.stdall) }),
    exitCode,
    ...(signal === undefined ? {} : { signal }),
    ok: exitCode === 0 && signal === undefined,
    duration,
    timings: { queued, connect, run },
  }
}
