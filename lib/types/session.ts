import type { Readable } from 'node:stream'

/** For `pool.session()`. */
export interface SessionOptions {
  /** Where the shell starts; the session is refused when it cannot be changed to. */
  cwd?: string
  env?: Record<string, string>
  /** Milliseconds until the shell must be ready, waiting and connecting included; 0 or absent = no limit */
  timeout?: number
  /** For the opening only. */
  signal?: AbortSignal
  /** 0; higher is served first while it waits for a connection */
  priority?: number
}

/** For `session.execute()`. Directory and variables are the shell's own: `cd` and `export` change them. */
export interface ExecuteOptions {
  /**
   * Empty. A stream goes to the command as it comes. Needs a channel of its own and a FIFO in the server's /tmp for as long as
   * the command runs: a few round trips more, where a here-document in the command costs none.
   */
  stdin?: string | Buffer | Readable
  /** 'utf8'; 'buffer' leaves the bytes alone. */
  encoding?: BufferEncoding | 'buffer'
  /** Milliseconds from the call, waiting for earlier commands included; 0 or absent = no limit. It ends the session. */
  timeout?: number
  /** Ends the session, when the command has begun. */
  signal?: AbortSignal
  /** 10 MiB for each of stdout and stderr; more is an error (EMAXBUFFER), which ends the session */
  maxBuffer?: number
  /** false; true: a command that ends with a status other than 0 rejects with ECOMMAND */
  throwOnNonZeroExit?: boolean
  /** false; true adds `stdall`: stdout and stderr in the order in which they arrived */
  collectAll?: boolean
}
