import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import type { OpenSSHServer } from './openssh'
import { TEST_USER } from './openssh'
import { until } from './wait'

/** What every ssh of these tests needs to log in to `server`. */
export function sshArguments(server: OpenSSHServer, user = TEST_USER): string[] {
  return [
    '-F', 'none', '-p', String(server.port), '-i', server.userKey.path, '-o', `UserKnownHostsFile=${server.knownHosts}`,
    '-o', 'StrictHostKeyChecking=accept-new', '-o', 'BatchMode=yes', `${user}@127.0.0.1`,
  ]
}

/** A real `ssh -M`. */
export class OpenSSHMaster {
  readonly path: string
  readonly #process: ChildProcess

  static async start(server: OpenSSHServer, path: string, user = TEST_USER): Promise<OpenSSHMaster> {
    const master = new OpenSSHMaster(server, path, user)
    await until(`ssh listens at ${path}`, () => existsSync(path) || master.#process.exitCode !== null)
    if (!existsSync(path)) throw new Error(`ssh ended at once with ${String(master.#process.exitCode)}`)
    return master
  }

  private constructor(server: OpenSSHServer, path: string, user: string) {
    this.path = path
    this.#process = spawn('ssh', ['-q', '-M', '-N', '-S', path, ...sshArguments(server, user)], { stdio: ['ignore', 'ignore', 'inherit'] })
  }

  /** Ends it as a crash would. Its socket's file stays. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.kill(signal)
    // ssh misses a signal that comes right before it falls asleep.
    const again = setInterval(() => { this.#process.kill(signal) }, 250)
    await ended
    clearInterval(again)
  }
}

export interface SshOutcome {
  code: number | null
  stdout: Buffer
  stderr: string
}

/** An `ssh` that goes through the master at `path`, and only through it. */
export async function sshThrough(path: string, args: string[], stdin: string | Buffer = ''): Promise<SshOutcome> {
  const child = spawnThrough(path, args)
  const stdout: Buffer[] = []
  let stderr = ''
  child.stdout.on('data', (data: Buffer) => stdout.push(data))
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  // A command that reads no input closes it; what is written then has no reader.
  child.stdin.on('error', () => undefined)
  child.stdin.end(stdin)
  const [code] = await once(child, 'close') as [number | null]
  return { code, stdout: Buffer.concat(stdout), stderr }
}

/** With a port nobody listens on: a connection of its own would fail. */
export function spawnThrough(path: string, args: string[]): ReturnType<typeof spawnPiped> {
  return spawnPiped(['-F', 'none', '-o', 'BatchMode=yes', '-S', path, '-p', '1', ...args])
}

function spawnPiped(args: string[]) {
  return spawn('ssh', args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: 60_000, killSignal: 'SIGKILL' })
}
