import type { NativeLease } from '../binding'
import { InvalidUsageError, errorFromFailure } from '../errors'
import {
  type CheckedForward, checkDynamicForward, checkHealthLimit, checkKeepAlive, checkLocalForward, checkRemoteForward,
} from '../options'
import type { Forward } from '../forward'
import type { RemoteProcess } from '../process'
import type { ShellSession } from '../session'
import type { SFTP } from '../sftp'
import type {
  CommandResult, DynamicForwardOptions, ExecOptions, LocalForwardOptions, RemoteForwardOptions, SFTPOptions, SessionOptions, SpawnOptions,
} from '../types'

/** What a lease needs of its pool. */
export interface Lender {
  host: string
  port: number
  username: string
  exec: (lease: NativeLease, command: string, options: ExecOptions | undefined) => Promise<CommandResult<string | Buffer>>
  spawn: (command: string, options: SpawnOptions | undefined) => RemoteProcess
  sftp: (options: SFTPOptions | undefined) => Promise<SFTP>
  session: (options: SessionOptions | undefined) => Promise<ShellSession>
  forward: (checked: CheckedForward) => Promise<Forward>
  /** Lets the pool's events of the meantime out. */
  perform: <R>(work: () => Promise<R>) => Promise<R>
  /** Called once, when it is given back. */
  released: () => void
}

/** Unanswered pings after which a connection counts as dead. */
const COUNT_MAX = 3

/**
 * A connection borrowed from a pool. It is in use, and never idle, until it is released; its commands need not wait for a
 * turn. When the connection breaks, the next command gets a new one.
 */
export class SSHConnection implements AsyncDisposable {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly #lease: NativeLease
  readonly #lender: Lender
  #released = false

  constructor(lease: NativeLease, lender: Lender) {
    this.host = lender.host
    this.port = lender.port
    this.username = lender.username
    this.#lease = lease
    this.#lender = lender
  }

  /** Its id as in `getConnections()`; undefined while a command uses it, or after it was lost. */
  get id(): number | undefined {
    return this.#lease.connection ?? undefined
  }

  get released(): boolean {
    return this.#released
  }

  /** As `pool.exec`, on this connection; a second command beside the first takes its turn in the pool. */
  exec(command: string, options: ExecOptions & { encoding: 'buffer' }): Promise<CommandResult<Buffer>>
  exec(command: string, options?: ExecOptions & { encoding?: BufferEncoding }): Promise<CommandResult>
  exec(command: string, options?: ExecOptions): Promise<CommandResult<string | Buffer>>
  async exec(command: string, options?: ExecOptions): Promise<CommandResult<string | Buffer>> {
    return this.#lender.exec(this.#held(), command, options)
  }

  /** As `pool.spawn`: streams have a connection of their own. */
  spawn(command: string, options?: SpawnOptions): RemoteProcess {
    this.#held()
    return this.#lender.spawn(command, options)
  }

  /** As `pool.sftp`: files have a connection of their own. */
  async sftp(options?: SFTPOptions): Promise<SFTP> {
    this.#held()
    return this.#lender.sftp(options)
  }

  /** As `pool.session`: a session takes a channel of its own from the pool. */
  async session(options?: SessionOptions): Promise<ShellSession> {
    this.#held()
    return this.#lender.session(options)
  }

  /** As `pool.forwardLocal`, and as there a connection of its own carries it. */
  async forwardLocal(options: LocalForwardOptions): Promise<Forward> {
    this.#held()
    return this.#lender.forward(checkLocalForward(options))
  }

  /** As `pool.forwardRemote`. */
  async forwardRemote(options: RemoteForwardOptions): Promise<Forward> {
    this.#held()
    return this.#lender.forward(checkRemoteForward(options))
  }

  /** As `pool.forwardDynamic`. */
  async forwardDynamic(options?: DynamicForwardOptions): Promise<Forward> {
    this.#held()
    return this.#lender.forward(checkDynamicForward(options))
  }

  /** Does the server answer within `timeout` (5_000) milliseconds? `false` when the connection was lost. */
  async isHealthy(options?: { timeout?: number }): Promise<boolean> {
    const limit = checkHealthLimit(options)
    return this.#held().isHealthy(limit)
  }

  /** Leaves its connection, which is closed once nobody uses it, and takes a new one. */
  async reconnect(): Promise<void> {
    const lease = this.#held()
    const failure = await this.#lender.perform(() => lease.reconnect())
    if (failure !== null) throw errorFromFailure(failure)
  }

  /**
   * Asks the server for a sign of life every `interval` (30_000) milliseconds, whatever the target's own keepalive does;
   * after three unanswered questions the connection counts as lost. `setKeepAlive(false)` ends that.
   */
  setKeepAlive(on: boolean, interval?: number): void {
    const every = checkKeepAlive(on, interval)
    this.#held().keepAlive(every, COUNT_MAX)
  }

  /** Gives the connection back; a command that runs on it ends first. Doing so twice is once. */
  release(): void {
    if (this.#released) return
    this.#released = true
    this.#lease.release()
    this.#lender.released()
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.release()
    return Promise.resolve()
  }

  #held(): NativeLease {
    if (!this.#released) return this.#lease
    throw new InvalidUsageError({
      code: 'ERELEASED', kind: 'invalid-usage', reached: false, host: this.host, port: this.port,
      message: 'This connection has been released: borrow another one with getConnection()',
    })
  }
}
