import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { type KeyObject, createHash, generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { type Server, type Socket, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from './wait'

/** OpenSSH's own agent, with the keys it is given. */
export class SshAgent {
  readonly directory = mkdtempSync(join(tmpdir(), 'xec-agent-'))
  readonly socket = join(this.directory, 'socket')
  readonly #process: ChildProcess

  static async start(...keys: string[]): Promise<SshAgent> {
    const agent = new SshAgent()
    await until('ssh-agent listens', () => existsSync(agent.socket) || agent.#process.exitCode !== null)
    keys.forEach((key) => { agent.add(key) })
    return agent
  }

  private constructor() {
    this.#process = spawn('ssh-agent', ['-D', '-a', this.socket], { stdio: 'ignore' })
  }

  /** A key file, with the certificate that lies beside it. */
  add(key: string, ...options: string[]): void {
    this.run('ssh-add', '-q', ...options, key)
  }

  run(program: string, ...args: string[]): string {
    return execFileSync(program, args, { env: { ...process.env, SSH_AUTH_SOCK: this.socket }, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit')
      this.#process.kill('SIGTERM')
      await ended
    }
    rmSync(this.directory, { recursive: true, force: true })
  }
}

const text = (value: string | Buffer): Buffer => {
  const bytes = Buffer.from(value)
  return Buffer.concat([number(bytes.length), bytes])
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

const sha256 = (data: Buffer | string): Buffer => createHash('sha256').update(data).digest()

/**
 * An agent that holds one hardware key, which is touched as soon as it is asked. The key is not in hardware, but the
 * server cannot tell: it signs as a FIDO token does.
 */
export class HardwareAgent {
  static readonly TYPE = 'sk-ssh-ed25519@openssh.com'
  readonly socket: string
  readonly blob: Buffer
  signatures = 0
  readonly #directory = mkdtempSync(join(tmpdir(), 'xec-token-'))
  readonly #key: KeyObject
  readonly #server: Server
  readonly #application = 'ssh:'

  static async start(): Promise<HardwareAgent> {
    const agent = new HardwareAgent()
    agent.#server.listen(agent.socket)
    await once(agent.#server, 'listening')
    return agent
  }

  private constructor() {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    this.#key = privateKey
    const point = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
    this.blob = Buffer.concat([text(HardwareAgent.TYPE), text(point), text(this.#application)])
    this.socket = join(this.#directory, 'socket')
    this.#server = createServer((socket) => { this.#serve(socket) })
  }

  /** A line for authorized_keys. */
  get publicKey(): string {
    return `${HardwareAgent.TYPE} ${this.blob.toString('base64')} token`
  }

  #serve(socket: Socket): void {
    let waiting = Buffer.alloc(0)
    socket.on('data', (data) => {
      waiting = Buffer.concat([waiting, data])
      while (waiting.length >= 4 && waiting.length >= 4 + waiting.readUInt32BE(0)) {
        const end = 4 + waiting.readUInt32BE(0)
        const reply = this.#reply(waiting.subarray(4, end))
        socket.write(Buffer.concat([number(reply.length), reply]))
        waiting = waiting.subarray(end)
      }
    })
  }

  #reply(request: Buffer): Buffer {
    if (request[0] === 11) return Buffer.concat([Buffer.from([12]), number(1), text(this.blob), text('token')])
    if (request[0] !== 13) return Buffer.from([5])
    const length = request.readUInt32BE(1)
    const start = 5 + length + 4
    const data = request.subarray(start, start + request.readUInt32BE(5 + length))
    return Buffer.concat([Buffer.from([14]), text(this.#sign(data))])
  }

  #sign(data: Buffer): Buffer {
    this.signatures += 1
    const touched = Buffer.concat([Buffer.from([1]), number(this.signatures)])
    const signed = Buffer.concat([sha256(this.#application), touched, sha256(data)])
    return Buffer.concat([text(HardwareAgent.TYPE), text(sign(null, signed, this.#key)), touched])
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
