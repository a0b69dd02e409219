import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SSHTarget } from '../../index.mjs'
import { type KeyPair, generateKey } from './keys'
import { freePort } from './ports'
import { descendants, isRunning, processesWith, programOf } from './processes'
import { until } from './wait'

export const TEST_USER = process.env['XEC_TEST_USER'] ?? 'xectest'
export const TEST_PASSWORD = process.env['XEC_TEST_PASSWORD'] ?? 'correct horse battery'

const SSHD = '/usr/sbin/sshd'

export interface ServerOptions {
  /** Addresses to listen on; other loopback addresses make many hosts of one server. */
  addresses?: string[]
  /** The host keys' types. */
  hostKeys?: ('ed25519' | 'rsa' | 'ecdsa')[]
  /** More lines for sshd_config. */
  config?: string[]
  /** More keys that may log in. */
  authorized?: string[]
  /** What serves files; Debian's default by default, false for a server that serves none. */
  sftp?: string | false
  /** 'VERBOSE'; 'DEBUG1' also tells of forwarded connections. */
  logLevel?: 'VERBOSE' | 'DEBUG1'
  /** The port of a server that has been stopped. */
  port?: number
}

/** A private OpenSSH server with stock limits. Tests fail where it cannot be started: without it they prove nothing. */
export class OpenSSHServer {
  readonly directory: string
  readonly port: number
  readonly userKey: KeyPair
  #process: ChildProcess
  #log = ''
  /** The ports of connections that are only there to be logged. */
  readonly #asked = new Set<number>()
  readonly #address: string
  /** Where the log of the current process begins. */
  #begun = 0

  static async start(options: ServerOptions = {}): Promise<OpenSSHServer> {
    requireTestbed()
    const server = new OpenSSHServer(options, options.port ?? await freePort())
    await server.#listening()
    return server
  }

  private constructor(options: ServerOptions, port: number) {
    this.port = port
    this.#address = options.addresses?.[0] ?? '127.0.0.1'
    // sshd reads authorized_keys as the user who logs in.
    this.directory = mkdtempSync(join(tmpdir(), 'xec-sshd-'))
    chmodSync(this.directory, 0o755)
    this.userKey = generateKey(this.directory, 'user_key')
    const keys = [this.userKey.publicKey, ...options.authorized ?? []]
    writeFileSync(join(this.directory, 'authorized_keys'), `${keys.join('\n')}\n`, { mode: 0o644 })
    writeFileSync(join(this.directory, 'sshd_config'), this.#config(options))
    this.#process = this.#launch()
  }

  get log(): string {
    return this.#log
  }

  target(extra: Partial<SSHTarget> = {}): SSHTarget {
    return {
      host: '127.0.0.1', port: this.port, username: TEST_USER, privateKey: this.userKey.path,
      knownHostsPath: this.knownHosts, ...extra,
    }
  }

  get knownHosts(): string {
    return join(this.directory, 'known_hosts')
  }

  /** How often a line of the log matches that has come so far. It comes through a pipe: see `counted`. */
  count(pattern: RegExp): number {
    return this.#log.split('\n').filter((line) => pattern.test(line) && !this.#isAsked(line)).length
  }

  /** How often a line matches of all that the server has said until now: a connection of ours is what it says next. */
  async counted(pattern: RegExp): Promise<number> {
    const socket = connect({ host: this.#address, port: this.port })
    await once(socket, 'connect')
    const port = socket.localPort ?? 0
    this.#asked.add(port)
    await until('the log has come', () => new RegExp(`^Connection from \\S+ port ${port} on `, 'm').test(this.#log))
    socket.destroy()
    return this.count(pattern)
  }

  #isAsked(line: string): boolean {
    const port = / port (\d+)/.exec(line)?.[1]
    return port !== undefined && this.#asked.has(Number(port))
  }

  /** The most connections that were open at the same time, by the server's own account. */
  mostConnections(): number {
    const open = new Set<string>()
    let most = 0
    for (const line of this.#log.split('\n')) {
      const opened = /^Connection from \S+ port (\d+)/.exec(line)?.[1]
      const closed = /^(?:Connection closed by|Disconnected from|Connection reset by).* port (\d+)/.exec(line)?.[1]
      if (opened !== undefined) open.add(opened)
      if (closed !== undefined) open.delete(closed)
      most = Math.max(most, open.size)
    }
    return most
  }

  /** As `mostConnections`, for each address that the server was reached by. */
  mostConnectionsByAddress(): Map<string, number> {
    const open = new Map<string, Set<string>>()
    const most = new Map<string, number>()
    for (const line of this.#log.split('\n')) {
      const [, from, address] = /^Connection from \S+ port (\d+) on (\S+) port/.exec(line) ?? []
      if (from !== undefined && address !== undefined) {
        const here = open.get(address) ?? new Set()
        open.set(address, here.add(from))
        most.set(address, Math.max(most.get(address) ?? 0, here.size))
      }
      const closed = /^(?:Connection closed by|Disconnected from|Connection reset by).* port (\d+)/.exec(line)?.[1]
      if (closed !== undefined) for (const here of open.values()) here.delete(closed)
    }
    return most
  }

  /**
   * Waits until so many processes of a program run in the server's sessions: only then have those commands begun. Counts also
   * what has outlived its session: that is no descendant of the server's any more, but has the session's environment.
   */
  async runs(program: string, count = 1): Promise<void> {
    await until(`${count} × ${program} run on the server`, () => {
      const served = new Set([...descendants(this.#pid), ...processesWith('SSH_CONNECTION', new RegExp(` ${this.port}$`))])
      return [...served].filter((pid) => programOf(pid) === program && isRunning(pid)).length === count
    })
  }

  /** The server's own processes that serve the connections of this moment. */
  serving(): number[] {
    return descendants(this.#pid).filter((pid) => programOf(pid).startsWith('sshd') && isRunning(pid))
  }

  /** Ends the processes that serve the open connections, as a crash would. New connections are still accepted. */
  killConnections(): number {
    const serving = descendants(this.#pid)
    for (const pid of serving) kill(pid)
    return serving.length
  }

  /** Ends the server as a reboot would. `resume()` starts it again, with the same port, keys and log. */
  async halt(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit')
      // The sessions' processes do not end with the listener.
      this.killConnections()
      this.#process.kill('SIGTERM')
      await ended
    }
  }

  async resume(): Promise<void> {
    this.#begun = this.#log.length
    this.#process = this.#launch()
    await this.#listening()
  }

  async stop(): Promise<void> {
    await this.halt()
    rmSync(this.directory, { recursive: true, force: true })
  }

  #launch(): ChildProcess {
    const child = spawn(SSHD, ['-D', '-e', '-f', join(this.directory, 'sshd_config')], { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr.setEncoding('utf8').on('data', (text: string) => { this.#log += text })
    return child
  }

  get #pid(): number {
    const { pid } = this.#process
    if (pid === undefined) throw new Error('sshd has no process id: it did not start')
    return pid
  }

  #config(options: ServerOptions): string {
    const {
      addresses = ['127.0.0.1'], hostKeys = ['ed25519'], config = [], sftp = '/usr/lib/openssh/sftp-server', logLevel = 'VERBOSE',
    } = options
    return [
      // Of two lines that say the same thing sshd takes the first.
      ...config.filter((line) => /^(?:Password|KbdInteractive)Authentication /.test(line)),
      ...addresses.map((address) => `ListenAddress ${address}`),
      `Port ${this.port}`,
      ...hostKeys.map((type) => `HostKey ${generateKey(this.directory, `host_${type}`, { type }).path}`),
      `AuthorizedKeysFile ${join(this.directory, 'authorized_keys')}`,
      `PidFile ${join(this.directory, 'pid')}`,
      'StrictModes no', 'UsePAM yes', 'PasswordAuthentication yes', 'KbdInteractiveAuthentication no',
      'UseDNS no', `LogLevel ${logLevel}`,
      ...(sftp === false ? [] : [`Subsystem sftp ${sftp}`]),
      ...config, '',
    ].join('\n')
  }

  async #listening(): Promise<void> {
    const isUp = (): boolean => /^Server listening on/m.test(this.#log.slice(this.#begun))
    await until(`sshd listens on port ${this.port}`, () => isUp() || this.#process.exitCode !== null)
    if (!isUp()) throw new Error(`sshd ended at once:\n${this.#log}`)
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    // It ended by itself in the meantime.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

function requireTestbed(): void {
  if (!existsSync(SSHD)) throw new Error(`${SSHD} is missing: run "npm run setup -- --servers" or install openssh-server`)
  if (process.getuid?.() !== 0) throw new Error('these suites start sshd for another user, so they need root')
  execFileSync('id', [TEST_USER], { stdio: 'ignore' })
  mkdirSync('/run/sshd', { recursive: true })
}
