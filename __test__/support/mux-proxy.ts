import { once } from 'node:events'
import { type Socket, createConnection } from 'node:net'

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const text = (value: string): Buffer => Buffer.concat([u32(Buffer.byteLength(value)), Buffer.from(value)])
const packet = (...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts)
  return Buffer.concat([u32(body.length), body])
}

/** SSH's messages, by their numbers. */
export const MESSAGE = { requestFailure: 82, confirmation: 91, openFailure: 92, adjust: 93, data: 94, eof: 96, close: 97, failure: 100 }

/** A visitor of a control socket that speaks SSH's channel messages itself, as `ssh -O proxy` lets programs do. */
export class MuxProxy {
  readonly #socket: Socket
  #bytes = Buffer.alloc(0)
  #ended = false

  static async open(path: string): Promise<MuxProxy> {
    const proxy = new MuxProxy(createConnection(path))
    await once(proxy.#socket, 'connect')
    // The greetings, then proxy mode and its answer.
    proxy.#socket.write(Buffer.concat([packet(u32(1), u32(4)), packet(u32(0x1000000f), u32(1))]))
    await proxy.#packet()
    const answer = await proxy.#packet()
    if (answer?.readUInt32BE(0) !== 0x8000000f) throw new Error('the master refuses proxy mode')
    return proxy
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => undefined)
    socket.on('data', (data) => { this.#bytes = Buffer.concat([this.#bytes, data]) })
    socket.on('close', () => { this.#ended = true })
  }

  say(kind: number, ...parts: (number | string | Buffer)[]): void {
    const encoded = parts.map((part) => typeof part === 'number' ? u32(part) : typeof part === 'string' ? text(part) : part)
    this.#socket.write(packet(Buffer.from([0, kind]), ...encoded))
  }

  /** Asks for a connection from the server to there, as our channel number `channel`. */
  direct(channel: number, host: string, port: number, window = 100_000): void {
    this.say(90, 'direct-tcpip', channel, window, 32_768, host, port, '127.0.0.1', 1)
  }

  /** The next message: its number, and what comes behind it. */
  async hear(): Promise<{ kind: number; rest: Buffer }> {
    const body = await this.#packet()
    if (body === undefined) throw new Error('the master hung up')
    return { kind: body.readUInt8(1), rest: body.subarray(2) }
  }

  leave(): void {
    this.#socket.destroy()
  }

  async #packet(): Promise<Buffer | undefined> {
    for (;;) {
      const length = this.#bytes.length < 4 ? Infinity : this.#bytes.readUInt32BE(0)
      if (this.#bytes.length >= length + 4) {
        const body = this.#bytes.subarray(4, length + 4)
        this.#bytes = this.#bytes.subarray(length + 4)
        return body
      }
      if (this.#ended) return undefined
      await Promise.race([once(this.#socket, 'data'), once(this.#socket, 'close')])
    }
  }
}
