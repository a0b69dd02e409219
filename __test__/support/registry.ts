import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './ports'
import { until } from './wait'

const PROGRAM = '/usr/bin/docker-registry'

/** The only account, and the hash of its password (bcrypt, the only kind a registry takes). */
export const LOGIN = { username: 'builder', password: 'correct horse battery' }
const HASH = '$2b$04$tIUlOHOdCPCMsD3sNcAJ9OB9KSjivBjjXBk87PwzoRVGQrBsaDZ4G'

/** A private registry on loopback, to which engines speak without TLS; it wants a login. */
export class Registry {
  readonly #process: ChildProcess
  readonly #directory: string
  #log = ''

  static async start(): Promise<Registry> {
    if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: run "npm run setup -- --servers" or install docker-registry`)
    const registry = new Registry(await freePort())
    await until('the registry listens', () => registry.#log.includes('listening on') || registry.#process.exitCode !== null)
    if (registry.#process.exitCode !== null) throw new Error(`the registry ended at once:\n${registry.#log}`)
    return registry
  }

  private constructor(readonly port: number) {
    this.#directory = mkdtempSync(join(tmpdir(), 'xec-registry-'))
    const htpasswd = join(this.#directory, 'htpasswd')
    writeFileSync(htpasswd, `${LOGIN.username}:${HASH}\n`)
    const config = join(this.#directory, 'config.yml')
    writeFileSync(config, `
version: 0.1
log: { level: info }
storage: { filesystem: { rootdirectory: ${join(this.#directory, 'data')} } }
http: { addr: 127.0.0.1:${port} }
auth: { htpasswd: { realm: test, path: ${htpasswd} } }
`)
    this.#process = spawn(PROGRAM, ['serve', config], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#process.stdout, this.#process.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => { this.#log += text })
  }

  /** As it stands in images' names. */
  get name(): string {
    return `127.0.0.1:${this.port}`
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit')
      this.#process.kill('SIGTERM')
      await ended
    }
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
