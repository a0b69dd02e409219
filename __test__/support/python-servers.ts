import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { SSHTarget } from '../../index.mjs'
import { type KeyPair, generateKey } from './keys'

const PYTHON = join(__dirname, '../../.cache/python/bin/python')

const USER = 'tester'
const PASSWORD = 'correct horse battery'

/** A server from PyPI: another implementation of SSH than ours and OpenSSH's. Its commands run as whoever runs the tests. */
export class PythonServer {
  readonly directory: string
  readonly userKey: KeyPair
  readonly port: number
  readonly #process: ChildProcess
  #log = ''

  static async start(kind: 'announcing' | 'asyncssh' | 'paramiko'): Promise<PythonServer> {
    if (!existsSync(PYTHON)) throw new Error(`${PYTHON} is missing: run "npm run setup -- --servers"`)
    const directory = mkdtempSync(join(tmpdir(), `xec-${kind}-`))
    chmodSync(directory, 0o755)
    const userKey = generateKey(directory, 'user_key')
    const hostKey = generateKey(directory, 'host_key')
    const authorized = join(directory, 'authorized_keys')
    writeFileSync(authorized, `${userKey.publicKey}\n`)
    const script = join(__dirname, 'servers', `${kind}_server.py`)
    const child = spawn(PYTHON, [script, hostKey.path, authorized, USER, PASSWORD], { stdio: ['pipe', 'pipe', 'pipe'] })
    let log = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => { log += text })
    const ended = once(child, 'exit').then(() => { throw new Error(`the ${kind} server ended at once:\n${log}`) })
    const line = once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>
    const [port] = await Promise.race([line, ended])
    ended.catch(() => undefined)
    return new PythonServer(directory, userKey, Number(port), child)
  }

  private constructor(directory: string, userKey: KeyPair, port: number, child: ChildProcess) {
    this.directory = directory
    this.userKey = userKey
    this.port = port
    this.#process = child
    child.stderr?.on('data', (text: string) => { this.#log += text })
  }

  /** What it complained about. */
  get log(): string {
    return this.#log
  }

  target(extra: Partial<SSHTarget> = {}): SSHTarget {
    return {
      host: '127.0.0.1', port: this.port, username: USER, privateKey: this.userKey.path,
      knownHostsPath: join(this.directory, 'known_hosts'), ...extra,
    }
  }

  get password(): string {
    return PASSWORD
  }

  async stop(): Promise<void> {
    // It ends with its stdin.
    this.#process.stdin?.end()
    if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, 'exit')
    rmSync(this.directory, { recursive: true, force: true })
  }
}
