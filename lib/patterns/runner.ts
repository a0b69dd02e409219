import type { CommandResult, ExecOptions, SSHTarget } from '../types'

/** Options of commands whose output is text. For bytes there is `run`, which leaves the call to the caller. */
export type TextOptions = ExecOptions & { encoding?: BufferEncoding }

/** What the patterns need of a pool; SSHConnectionPool is one. */
export interface CommandRunner {
  exec(target: SSHTarget, command: string, options?: TextOptions): Promise<CommandResult>
}

/** Tells targets apart by where they lead and as whom. Holds no secret. */
export function addressOf({ host, port = 22, username = '' }: SSHTarget): string {
  return `${username}@${host}:${port}`
}
