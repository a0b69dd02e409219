import { once } from 'node:events'
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'

export interface Login {
  username: string
  password: string
}

/** What was asked of a proxy, in its order. */
export interface Asked {
  host: string
  port: number
}

/** A small proxy. `names` maps host names that only it can resolve. */
export abstract class Proxy {
  readonly asked: Asked[] = []
  readonly sockets = new Set<Socket>()
  /** What clients sent before they were connected. */
  seen = Buffer.alloc(0)
  readonly #server: Server

  constructor(protected readonly login?: Login, readonly names: Record<string, string> = {}) {
    this.#server = createServer((socket) => {
      this.sockets.add(socket)
      socket.on('error', () => undefined).on('close', () => { this.sockets.delete(socket) })
      void this.serve(new Reader(socket, this), socket).catch(() => { socket.destroy() })
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return this
  }

  async stop(): Promise<void> {
    this.#server.close()
    for (const socket of this.sockets) socket.destroy()
    await once(this.#server, 'close')
  }

  protected abstract serve(reader: Reader, socket: Socket): Promise<void>

  /** Resolves when the far side is there; rejects when it is not. */
  protected async reach(host: string, port: number): Promise<Socket> {
    this.asked.push({ host, port })
    const upstream = connect(port, this.names[host] ?? host)
    upstream.on('error', () => undefined)
    await once(upstream, 'connect')
    return upstream
  }

  protected join(socket: Socket, upstream: Socket): void {
    socket.pipe(upstream).pipe(socket)
    upstream.on('close', () => { socket.destroy() })
    socket.on('close', () => { upstream.destroy() })
  }
}

/** Reads so many bytes, or up to a mark. */
class Reader {
  #buffer = Buffer.alloc(0)

  constructor(readonly socket: Socket, readonly proxy: Proxy) {}

  async take(count: number): Promise<Buffer> {
    while (this.#buffer.length < count) await this.#more()
    const taken = this.#buffer.subarray(0, count)
    this.#buffer = this.#buffer.subarray(count)
    return taken
  }

  async until(mark: string): Promise<string> {
    while (!this.#buffer.includes(mark)) await this.#more()
    return (await this.take(this.#buffer.indexOf(mark) + mark.length)).toString('latin1')
  }

  async #more(): Promise<void> {
    let chunk = this.socket.read() as Buffer | null
    while (chunk === null) {
      if (this.socket.readableEnded) throw new Error('the client left')
      await Promise.race([once(this.socket, 'readable'), once(this.socket, 'close')])
      if (this.socket.destroyed) throw new Error('the client left')
      chunk = this.socket.read() as Buffer | null
    }
    this.proxy.seen = Buffer.concat([this.proxy.seen, chunk])
    this.#buffer = Buffer.concat([this.#buffer, chunk])
  }
}

/** RFC 1928 and 1929, CONNECT only. */
export class Socks5Proxy extends Proxy {
  protected async serve(reader: Reader, socket: Socket): Promise<void> {
    const [, count = 0] = await reader.take(2)
    const methods = await reader.take(count)
    const wanted = this.login === undefined ? 0 : 2
    if (!methods.includes(wanted)) {
      socket.end(Buffer.from([5, 0xff]))
      return
    }
    socket.write(Buffer.from([5, wanted]))
    if (this.login !== undefined && !await this.#admits(reader, socket, this.login)) return
    const [, , , kind] = await reader.take(4)
    const host = await this.#host(reader, kind)
    const port = (await reader.take(2)).readUInt16BE()
    const upstream = await this.reach(host, port).catch(() => undefined)
    const reply = (code: number): Buffer => Buffer.from([5, code, 0, 1, 127, 0, 0, 1, 0, 0])
    if (upstream === undefined) {
      socket.end(reply(5))
      return
    }
    socket.write(reply(0))
    this.join(socket, upstream)
  }

  async #admits(reader: Reader, socket: Socket, login: Login): Promise<boolean> {
    const [, length = 0] = await reader.take(2)
    const username = (await reader.take(length)).toString()
    const [size = 0] = await reader.take(1)
    const password = (await reader.take(size)).toString()
    const right = username === login.username && password === login.password
    socket[right ? 'write' : 'end'](Buffer.from([1, right ? 0 : 1]))
    return right
  }

  async #host(reader: Reader, kind: number | undefined): Promise<string> {
    if (kind === 1) return [...await reader.take(4)].join('.')
    if (kind === 3) {
      const [length = 0] = await reader.take(1)
      return (await reader.take(length)).toString()
    }
    const bytes = await reader.take(16)
    return Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16)).join(':')
  }
}

/** CONNECT of HTTP/1.1 with Basic authentication. */
export class HttpProxy extends Proxy {
  protected async serve(reader: Reader, socket: Socket): Promise<void> {
    const header = await reader.until('\r\n\r\n')
    const { host = '', port = '' } = /^CONNECT \[?(?<host>[^\]\s]+?)\]?:(?<port>\d+) HTTP\/1\.1\r\n/.exec(header)?.groups ?? {}
    const refuse = (status: string): void => { socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`) }
    if (!this.#admits(header)) {
      refuse('407 Proxy Authentication Required')
      return
    }
    const upstream = await this.reach(host, Number(port)).catch(() => undefined)
    if (upstream === undefined) {
      refuse('502 Bad Gateway')
      return
    }
    // In pieces, as networks deliver.
    socket.write('HTTP/1.1 200 Connec')
    setImmediate(() => {
      socket.write('tion established\r\nX-Proxy: yes\r\n\r')
      setImmediate(() => {
        socket.write('\n')
        this.join(socket, upstream)
      })
    })
  }

  #admits(header: string): boolean {
    if (this.login === undefined) return true
    const given = /^Proxy-Authorization: Basic (\S+)\r$/m.exec(header)?.[1] ?? ''
    return Buffer.from(given, 'base64').toString() === `${this.login.username}:${this.login.password}`
  }
}

/** Says `answer` to whoever comes, over and over with `endless`, and otherwise nothing. */
export class HostileProxy extends Proxy {
  constructor(readonly answer: string | Buffer, readonly endless = false) {
    super()
  }

  sent = 0

  protected serve(_: Reader, socket: Socket): Promise<void> {
    socket.resume()
    const write = (): void => {
      while (!socket.destroyed && socket.write(this.answer)) {
        this.sent += this.answer.length
        if (!this.endless) return
      }
      if (this.endless) socket.once('drain', write)
    }
    if (this.answer.length > 0) write()
    return Promise.resolve()
  }
}
