import type { Readable } from 'node:stream'

/** A terminal for the command. stdout and stderr are one stream then: stdout. */
export interface PtyOptions {
  /** 80 */
  columns?: number
  /** 24 */
  rows?: number
  /** 'xterm-256color' */
  term?: string
}

export interface ExecOptions {
  /** Remote directory; a command whose directory is missing fails and does not run. */
  cwd?: string
  env?: Record<string, string>
  /** A stream goes to the command as it comes; when it fails the command is ended, and what is left of it is destroyed. */
  stdin?: string | Buffer | Readable
  /** 'utf8'; 'buffer' leaves the bytes alone. */
  encoding?: BufferEncoding | 'buffer'
  /** Milliseconds for the whole call, reading configuration, waiting and connecting included; 0 or absent = no limit. */
  timeout?: number
  signal?: AbortSignal
  /** 10 MiB for each of stdout and stderr; more is an error (EMAXBUFFER). */
  maxBuffer?: number
  /** 0; higher is served first while commands wait for a connection. */
  priority?: number
  /** false: a command that ends with a status other than 0 resolves. true: it rejects with ECOMMAND. */
  throwOnNonZeroExit?: boolean
  /** Run the command again when its connection broke. Only for commands that may run twice. */
  retry?: { lostConnection?: boolean }
  /** false; true adds `stdall`: stdout and stderr in the order in which they arrived. */
  collectAll?: boolean
  /** false; true or sizes: run under a terminal, with output and signals as a person at one has them */
  pty?: boolean | PtyOptions
  /**
   * 'login', or what target and pool say: a shell of its own for the command. 'persistent': a subshell of a warm shell,
   * several times as fast; a command that cannot run so (stdin, pty, an unsuited login shell) gets a shell of its own.
   */
  shell?: 'login' | 'persistent'
}

export interface Timings {
  /** Milliseconds spent waiting in the pool. */
  queued: number
  /** Milliseconds of that spent on a new connection. */
  connect: number
  /** Milliseconds from asking the server to run it to its end. */
  run: number
}

/** How a command ended. Resolved whatever the exit code, unless `throwOnNonZeroExit` is set. */
export interface CommandResult<T extends string | Buffer = string> {
  command: string
  host: string
  stdout: T
  stderr: T
  /** Both in the order of their arrival; only with `collectAll`. */
  stdall?: T
  /** 128 + n for a process killed by signal n. */
  exitCode: number
  /** The signal's name, 'SIGKILL' for example, when one ended the process. */
  signal?: string
  ok: boolean
  /** Milliseconds from the call to its end. */
  duration: number
  timings: Timings
}
