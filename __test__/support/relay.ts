import { once } from 'node:events'
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'

/** A port of this machine that leads to another one, whose connections can be broken and held, and which can be closed and opened again. */
export class Relay {
  readonly #server: Server
  readonly #sockets = new Map<Socket, Socket>()
  #port = 0
  #holds = false

  static async start(to: { host: string, port: number }): Promise<Relay> {
    const relay = new Relay(to)
    await relay.resume()
    return relay
  }

  private constructor(to: { host: string, port: number }) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      const far = connect({ ...to, allowHalfOpen: true, noDelay: true })
      this.#join(near, far)
      this.#join(far, near)
    })
  }

  get port(): number {
    return this.#port
  }

  cut(): void {
    for (const socket of this.#sockets.keys()) socket.resetAndDestroy()
  }

  /** Carries no byte from now on, over new connections either, and says nothing. */
  hold(): void {
    this.#holds = true
    for (const [from, to] of this.#sockets) from.unpipe(to).pause()
  }

  /** Carries what has come meanwhile, and what comes. */
  release(): void {
    this.#holds = false
    for (const [from, to] of this.#sockets) from.pipe(to)
  }

  /** Refuses connections, and cuts those that there are. */
  async kill(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.cut()
    await closed
  }

  /** Listens, after `kill()` on the same port. */
  async resume(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async stop(): Promise<void> {
    if (this.#server.listening) await this.kill()
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.set(from, to)
    from.on('error', () => undefined)
    if (!this.#holds) from.pipe(to)
    from.once('close', () => {
      this.#sockets.delete(from)
      to.destroy()
    })
  }
}
