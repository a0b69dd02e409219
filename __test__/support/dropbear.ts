import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SSHTarget } from '../../index.mjs'
import { TEST_PASSWORD, TEST_USER } from './openssh'
import { freePort } from './ports'
import { until } from './wait'

/** A private dropbear, for what must not only work with OpenSSH. It knows the test account's password. */
export class Dropbear {
  readonly directory = mkdtempSync(join(tmpdir(), 'xec-dropbear-'))
  readonly #address: string
  readonly #process: ChildProcess
  #log = ''

  static async start(address: string, ...options: string[]): Promise<Dropbear> {
    const server = new Dropbear(address, await freePort(), options)
    const port = server.port.toString(16).toUpperCase().padStart(4, '0')
    // It does not say when it listens; the kernel does.
    await until('dropbear listens', () => server.#process.exitCode !== null || execFileSync('cat', ['/proc/net/tcp'], { encoding: 'utf8' }).includes(`:${port} 00000000:0000 0A`))
    if (server.#process.exitCode !== null) throw new Error(`dropbear ended at once:\n${server.#log}`)
    return server
  }

  private constructor(address: string, readonly port: number, options: string[]) {
    this.#address = address
    const key = join(this.directory, 'host_key')
    execFileSync('dropbearkey', ['-t', 'ed25519', '-f', key], { stdio: 'ignore' })
    this.#process = spawn('dropbear', ['-F', '-E', '-r', key, '-p', `${address}:${port}`, '-P', join(this.directory, 'pid'), ...options], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => { this.#log += text })
  }

  get log(): string {
    return this.#log
  }

  /** For the test account, by its password. */
  target(extra: Partial<SSHTarget> = {}): SSHTarget {
    return { host: this.#address, port: this.port, username: TEST_USER, password: TEST_PASSWORD, knownHostsPath: this.knownHosts, ...extra }
  }

  get knownHosts(): string {
    return join(this.directory, 'known_hosts')
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null) {
      const ended = once(this.#process, 'exit')
      this.#process.kill('SIGTERM')
      await ended
    }
    rmSync(this.directory, { recursive: true, force: true })
  }
}
