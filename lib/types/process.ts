import type { Readable } from 'node:stream'
import type { CommandResult, ExecOptions } from './exec'

/** As for `exec`, without what only makes sense for output that is collected. */
export interface SpawnOptions extends Pick<ExecOptions, 'cwd' | 'env' | 'timeout' | 'signal' | 'priority' | 'pty'> {
  /** Sent piece by piece, then stdin ends. Absent: `process.stdin` is open until it is ended. */
  stdin?: string | Buffer | Readable
  /** 'utf8', for lines; the streams give Buffers unless it is named here */
  encoding?: BufferEncoding
}

/** How a spawned command ended. What it printed went through its streams. */
export type SpawnResult = Omit<CommandResult, 'stdout' | 'stderr' | 'stdall'>
