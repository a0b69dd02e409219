import { type ExecOutcome, type NativeLease, NativePool, type NativeTarget } from '../binding'
import { type XecNativeError, errorFromFailure } from '../errors'
import { type Forward, openForward } from '../forward'
import { type Borrowed, LeakWatch, SSHConnection } from '../lease'
import {
  type CheckedExecOptions, type CheckedForward, type CheckedTarget, checkCommand, checkDynamicForward,
  checkExecOptions, checkFleetOptions, checkLeaseOptions, checkLocalForward, checkRemoteForward, checkSFTPOptions, checkSessionOptions,
  checkSpawnOptions, checkTarget, checkTargets, checkWarmUpOptions, hostConfig, parseAddress, poolOptions,
} from '../options'
import { type RemoteProcess, spawnProcess } from '../process'
import { type ShellSession, openSession } from '../session'
import { type SFTP, openSFTP } from '../sftp'
import type {
  CommandResult, DynamicForwardOptions, ExecOptions, FleetOptions, FleetResult, HostPoolConfig, LeaseOptions,
  LocalForwardOptions, PoolOptions, RemoteForwardOptions, SFTPOptions, SSHTarget, SessionOptions,
  SpawnOptions, WarmUpOptions, WarmUpReport,
} from '../types'
import { linkAbort } from './abort'
import { commandSpec } from './command-spec'
import { ConnectionPool } from './connection-pool'
import { type Given, feeding } from './fed'
import { runFleet } from './fleet'
import { HostRules } from './host-rules'
import { KnownTargets, type Looked } from './known-targets'
import { type Patience, patience, spent } from './patience'
import { poolSettings } from './settings'
import { settle } from './settle'
import { readStdin } from './stdin'
import { sudoSpec } from './sudo'
import { type ResolvedTarget, resolveTarget } from './target-spec'
import { Warmer } from './warm-up'

let shared: SSHConnectionPool | undefined

type Starter = (beginning: Given & { within: Patience }) => Promise<ExecOutcome>

/**
 * Keeps SSH connections open and runs commands over them.
 *
 * An idle pool keeps no process alive. Closing it is only needed to close the connections at a certain moment.
 */
export class SSHConnectionPool extends ConnectionPool {
  readonly #native: NativePool
  readonly #rules: HostRules
  readonly #targets: KnownTargets
  readonly #warmer: Warmer
  readonly #leaks: LeakWatch

  /** The pool that the whole program shares, made on first use with the default options. */
  static getInstance(): SSHConnectionPool {
    shared ??= new SSHConnectionPool()
    return shared
  }

  constructor(options: PoolOptions = {}) {
    const { hosts = {}, ...checked } = poolOptions(options, '')
    const settings = poolSettings(checked)
    const native = new NativePool(settings)
    super('ssh', native.controls(), settings)
    this.#native = native
    this.#rules = new HostRules(checked)
    for (const [pattern, config] of Object.entries(hosts)) this.#rules.add(pattern, config)
    this.#targets = new KnownTargets((target) => this.#resolve(target, patience({})))
    this.#warmer = new Warmer(native)
    // Weak: a lease that is watched must not keep its pool.
    const self = new WeakRef(this)
    this.#leaks = new LeakWatch((of, error) => {
      const pool = self.deref()
      if (pool !== undefined) pool.#reportLeak(of, error)
    })
  }

  /** Settings for hosts whose name matches; a string may hold `*` and `?`. Later calls win over earlier ones. */
  configureHost(pattern: string | RegExp, config: HostPoolConfig): this {
    this.#rules.add(pattern, hostConfig(config, ''))
    this.#targets.forgetAll()
    return this
  }

  /**
   * Runs a command and resolves with how it ended, whatever its exit code. Rejects with an XecNativeError when it could
   * not be run to its end, and when an option is wrong.
   */
  exec(target: SSHTarget, command: string, options: ExecOptions & { encoding: 'buffer' }): Promise<CommandResult<Buffer>>
  exec(target: SSHTarget, command: string, options?: ExecOptions & { encoding?: BufferEncoding }): Promise<CommandResult>
  exec(target: SSHTarget, command: string, options?: ExecOptions): Promise<CommandResult<string | Buffer>>
  async exec(target: SSHTarget, command: string, options?: ExecOptions): Promise<CommandResult<string | Buffer>> {
    const looked = this.#targets.look(target)
    const checkedCommand = checkCommand(command)
    const checkedOptions = checkExecOptions(options)
    const outcome = await this.#run(looked, checkedCommand, checkedOptions)
    return settle(looked.checked, checkedCommand, checkedOptions, outcome)
  }

  /**
   * Runs a command on many targets. Resolves, whatever happens to each of them, with one outcome per target in the order
   * of the targets; rejects only when an option is wrong. After an abort the rest is settled as aborted.
   */
  execAll(
    targets: readonly SSHTarget[], command: string, options: FleetOptions<Buffer> & { encoding: 'buffer' },
  ): Promise<FleetResult<Buffer>>
  execAll(
    targets: readonly SSHTarget[], command: string, options?: FleetOptions & { encoding?: BufferEncoding },
  ): Promise<FleetResult>
  async execAll(
    targets: readonly SSHTarget[], command: string, options?: FleetOptions<never>,
  ): Promise<FleetResult<string | Buffer>> {
    const list = checkTargets(targets)
    const checkedCommand = checkCommand(command)
    const { concurrency = 32, onProgress, ...execOptions } = checkFleetOptions(options)
    // A stream can be read once only, so everybody gets what it held; its failure is everybody's failure.
    const stdin = Promise.resolve(readStdin(execOptions.stdin, patience(execOptions)))
    stdin.catch(() => undefined)
    const run = async (target: SSHTarget): Promise<CommandResult<string | Buffer>> => {
      const looked = this.#targets.look(target)
      const each = { ...execOptions, stdin: await stdin }
      return settle(looked.checked, checkedCommand, each, await this.#run(looked, checkedCommand, each))
    }
    return runFleet({ targets: list, concurrency, run, onProgress })
  }

  /** Starts a command with live streams. Options are checked at once; everything else is told by `done`. */
  spawn(target: SSHTarget, command: string, options?: SpawnOptions): RemoteProcess {
    return this.#spawn(checkTarget(target), command, options)
  }

  #spawn(checkedTarget: CheckedTarget, command: string, options: SpawnOptions | undefined): RemoteProcess {
    const checkedCommand = checkCommand(command)
    const checkedOptions = checkSpawnOptions(options)
    this.noticeSubscribers()
    const sudo = sudoSpec(checkedTarget.sudo)
    const within = patience(checkedOptions)
    const resolving = this.#resolve(checkedTarget, within)
    return spawnProcess({
      host: checkedTarget.host,
      start: async (spec, token) => {
        const waited = resolving instanceof Promise
        const resolved = waited ? await resolving : resolving
        const spawning = this.#native.spawn(resolved.spec, { ...spec, ...sudo, ...(waited ? { spent: spent(within) } : {}) }, token)
        this.#warmer.noteUse(resolved)
        return spawning
      },
      settled: (completed) => {
        if (completed) this.countCommand()
        this.deliverEvents()
      },
    }, checkedCommand, checkedOptions)
  }

  /**
   * Borrows a connection, in the same order as commands get their turn. It counts as one channel in use until it is
   * released; `await using` releases it. 'user@host:port' will do for a target that needs no more.
   */
  async getConnection(target: SSHTarget | string, options?: LeaseOptions): Promise<SSHConnection> {
    const checked = checkTarget(typeof target === 'string' ? parseAddress(target) : target)
    const { priority = 0, timeout = 0, signal } = checkLeaseOptions(options)
    const link = linkAbort(signal, 'The connection was no longer wanted before it was asked for')
    try {
      const within = patience({ timeout, ...(signal === undefined ? {} : { signal }) })
      const resolving = this.#resolve(checked, within)
      const resolved = resolving instanceof Promise ? await resolving : resolving
      const { lease, failure } = await this.perform(() => {
        const leasing = this.#native.lease(resolved.spec, priority, link.token, timeout === 0 ? undefined : timeout, spent(within))
        this.#warmer.noteUse(resolved)
        return leasing
      })
      if (failure !== undefined) throw errorFromFailure(failure, { reason: signal?.reason })
      if (lease === undefined) throw new TypeError('the engine answered with neither lease nor failure')
      return this.#lend(lease, checked, resolved)
    } finally {
      link.unlink()
    }
  }

  /** Opens a shell that keeps directory, variables and functions between commands. One channel in use until it is closed. */
  async session(target: SSHTarget, options?: SessionOptions): Promise<ShellSession> {
    return this.#session(checkTarget(target), options)
  }

  /** Listens here; each connection goes through the server to a host and port, or a socket, that the server can reach. */
  async forwardLocal(target: SSHTarget, options: LocalForwardOptions): Promise<Forward> {
    return this.#forward(checkTarget(target), checkLocalForward(options))
  }

  /** Has the server listen; each connection comes here and goes to a host and port, or a socket, that we can reach. */
  async forwardRemote(target: SSHTarget, options: RemoteForwardOptions): Promise<Forward> {
    return this.#forward(checkTarget(target), checkRemoteForward(options))
  }

  /** Listens here for SOCKS clients, which name where each connection goes to from the server. */
  async forwardDynamic(target: SSHTarget, options?: DynamicForwardOptions): Promise<Forward> {
    return this.#forward(checkTarget(target), checkDynamicForward(options))
  }

  /** The same as `connection.release()`. */
  releaseConnection(connection: SSHConnection): void {
    connection.release()
  }

  /**
   * Opens an SFTP session, on a connection for files and streams that commands do not use. It holds that connection until
   * it is closed, or garbage-collected.
   */
  async sftp(target: SSHTarget, options?: SFTPOptions): Promise<SFTP> {
    return this.#sftp(checkTarget(target), options)
  }

  async #session(target: CheckedTarget, options: SessionOptions | undefined): Promise<ShellSession> {
    const checkedOptions = checkSessionOptions(options)
    const within = patience(checkedOptions)
    const resolved = await this.#resolve(target, within)
    this.#warmer.noteUse(resolved)
    return openSession(this.#native, { spec: resolved.spec, sudo: target.sudo }, { ...checkedOptions, spent: spent(within) }, {
      host: resolved.spec.host,
      perform: (work) => this.perform(work),
      completed: () => { this.countCommand() },
    })
  }

  #sftp(target: CheckedTarget, options: SFTPOptions | undefined): Promise<SFTP> {
    return this.perform(async () => {
      const checkedOptions = checkSFTPOptions(options)
      const { spec } = await this.#resolve(target, patience({ timeout: 60_000, ...checkedOptions }))
      return openSFTP(this.#native, { spec, ...sudoSpec(target.sudo) }, checkedOptions)
    })
  }

  /**
   * Opens connections ahead of need. Resolves with a report, whatever happens to each target; rejects only when an option or
   * a target is wrong.
   */
  async warmUp(targets: readonly SSHTarget[], options?: WarmUpOptions): Promise<WarmUpReport> {
    const checked = checkTargets(targets).map(checkTarget)
    const { connections, signal } = checkWarmUpOptions(options)
    const within = patience(signal === undefined ? {} : { signal })
    const resolved = await Promise.all(checked.map(async (target) => this.#resolve(target, within)))
    return this.perform(() => this.#warmer.warmUp(resolved, connections, signal))
  }

  /** Takes one target's connections out of the pool; busy ones finish what they do. Resolves with how many those were. */
  removeConnection(target: SSHTarget): Promise<number> {
    return this.perform(async () => {
      const { spec } = await this.#resolve(checkTarget(target), patience({}))
      this.#warmer.forget(spec)
      // Those of commands and those of streams, as targets and as hops.
      return this.#native.remove(spec, false) + this.#native.remove(spec, true)
    })
  }

  protected override beforeClosing(): undefined {
    this.#warmer.forgetAll()
  }

  protected override disposed(): void {
    if (shared === this) shared = undefined
  }

  /** At once, so that commands keep their order, unless the target's configuration has to be read first. */
  #resolve(target: CheckedTarget, within: Patience): ResolvedTarget | Promise<ResolvedTarget> {
    return resolveTarget(target, this.#rules, within)
  }

  #lend(native: NativeLease, target: CheckedTarget, { spec, leakDetectionThreshold, shell }: ResolvedTarget): SSHConnection {
    const { host, port, username } = spec
    let unwatch = (): void => undefined
    const connection = new SSHConnection(native, {
      host, port, username,
      exec: async (lease, command, options) => {
        const checkedCommand = checkCommand(command)
        const checkedOptions = checkExecOptions(options)
        const outcome = await this.#execute(checkedOptions, ({ stdin, token, input }) =>
          lease.exec(commandSpec(checkedCommand, checkedOptions, stdin, { shell, sudo: target.sudo }), token, input))
        return settle(target, checkedCommand, checkedOptions, outcome)
      },
      spawn: (command, options) => this.#spawn(target, command, options),
      sftp: (options) => this.#sftp(target, options),
      session: (options) => this.#session(target, options),
      forward: (checked) => this.#forward(target, checked),
      perform: (work) => this.perform(work),
      released: () => { unwatch() },
    })
    unwatch = this.#leaks.watch(connection, { host, port, username }, leakDetectionThreshold)
    return connection
  }

  #forward(target: CheckedTarget, checked: CheckedForward): Promise<Forward> {
    return this.perform(async () => {
      const { spec } = await this.#resolve(target, patience(checked.signal === undefined ? {} : { signal: checked.signal }))
      // A ControlMaster reaches no sockets behind the server, which a connection of our own does.
      if (checked.settings.kind === 'local' && checked.settings.to?.path !== undefined) delete spec.controlPath
      return openForward(checked, (settings, token) => this.#native.forward(spec, settings, token))
    })
  }

  #reportLeak({ host, port, username }: Borrowed, error: XecNativeError): void {
    if (this.listenerCount('connection:leaked') === 0) process.emitWarning(error.message, { code: error.code, type: 'XecNativeWarning' })
    this.announce('connection:leaked', host, error, { host, port, username, connection: 0, at: new Date() })
  }

  #run({ checked: target, resolved: known }: Looked, command: string, options: CheckedExecOptions): Promise<ExecOutcome> {
    return this.#execute(options, ({ stdin, token, input, within }) => {
      const start = (resolved: ResolvedTarget, over?: { spent: number }): Promise<ExecOutcome> => {
        const { shell } = resolved
        const spec = commandSpec(command, options, stdin, { shell, sudo: target.sudo, ...over })
        const running = this.#native.exec(this.#prepared(resolved), spec, token, input)
        this.#warmer.noteUse(resolved)
        return running
      }
      const resolving = known ?? this.#resolve(target, within)
      return resolving instanceof Promise ? resolving.then((resolved) => start(resolved, { spent: spent(within) })) : start(resolving)
    })
  }

  #prepared(resolved: ResolvedTarget): NativeTarget {
    resolved.prepared ??= this.#native.prepare(resolved.spec)
    return resolved.prepared
  }

  async #execute(options: CheckedExecOptions, start: Starter): Promise<ExecOutcome> {
    const within = patience(options)
    const link = linkAbort(options.signal)
    try {
      return await feeding(options.stdin, link.token, (given) => this.perform(async () => {
        const outcome = await start({ ...given, within })
        if (outcome.output !== undefined) this.countCommand()
        return outcome
      }))
    } finally {
      link.unlink()
    }
  }
}
