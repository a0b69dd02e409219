import type { ExecOutcome, NativeSession } from '../binding'
import { checkCommand, checkExecuteOptions } from '../options'
import { linkAbort } from '../pool/abort'
import { commandSpec } from '../pool/command-spec'
import { feeding } from '../pool/fed'
import { settle } from '../pool/settle'
import type { CommandResult, ExecuteOptions } from '../types'

/** What a session needs of its pool. */
export interface SessionHost {
  host: string
  /** Lets the pool's events of the meantime out. */
  perform: <R>(work: () => Promise<R>) => Promise<R>
  /** Called for each command that ended by itself. */
  completed: () => void
}

/**
 * A remote shell that keeps what its commands do to it: directory, variables, functions, options. It is one channel in use
 * for as long as it lives. Its commands run one after the other, in the order of the calls.
 */
export class ShellSession implements AsyncDisposable {
  readonly #native: NativeSession
  readonly #host: SessionHost

  constructor(native: NativeSession, host: SessionHost) {
    this.#native = native
    this.#host = host
  }

  get host(): string {
    return this.#host.host
  }

  /** The shell's process id on the remote side. */
  get pid(): number {
    return this.#native.pid
  }

  /** Has the shell ended? `execute` then says why, with ESESSIONCLOSED. */
  get closed(): boolean {
    return this.#native.closed
  }

  /**
   * Runs a command in the shell and resolves with how it ended, whatever its exit code. Rejects when it could not be run to
   * its end; whatever ends a command early (timeout, signal, maxBuffer, a stdin stream that fails) ends the session.
   */
  execute(command: string, options: ExecuteOptions & { encoding: 'buffer' }): Promise<CommandResult<Buffer>>
  execute(command: string, options?: ExecuteOptions & { encoding?: BufferEncoding }): Promise<CommandResult>
  execute(command: string, options?: ExecuteOptions): Promise<CommandResult<string | Buffer>>
  async execute(command: string, options?: ExecuteOptions): Promise<CommandResult<string | Buffer>> {
    const checkedCommand = checkCommand(command)
    const checkedOptions = checkExecuteOptions(options)
    const outcome = await this.#run(checkedCommand, checkedOptions)
    return settle({ host: this.host }, checkedCommand, checkedOptions, outcome)
  }

  /** Ends the shell, after the commands that were asked for already. Closing twice is once. */
  close(): Promise<void> {
    return this.#host.perform(() => this.#native.close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #run(command: string, options: ExecuteOptions): Promise<ExecOutcome> {
    const link = linkAbort(options.signal)
    try {
      return await feeding(options.stdin, link.token, ({ stdin, token, input }) => this.#host.perform(async () => {
        const outcome = await this.#native.execute(commandSpec(command, options, stdin), token, input)
        if (outcome.output !== undefined) this.#host.completed()
        return outcome
      }))
    } finally {
      link.unlink()
    }
  }
}
