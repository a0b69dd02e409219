import { once } from 'node:events'
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'

/** A port of this machine that leads to another one, and whose connections can be broken. */
export class Relay {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  static async start(to: { host: string, port: number }): Promise<Relay> {
    const relay = new Relay(to)
    relay.#server.listen(0, '127.0.0.1')
    await once(relay.#server, 'listening')
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
    return (this.#server.address() as AddressInfo).port
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.cut()
    await closed
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from)
    from.on('error', () => undefined).pipe(to)
    from.once('close', () => {
      this.#sockets.delete(from)
      to.destroy()
    })
  }
}
