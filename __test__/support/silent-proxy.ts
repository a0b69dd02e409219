import { once } from 'node:events'
import { type AddressInfo, type Socket, connect, createServer } from 'node:net'

/** A TCP proxy that can fall silent as a dead network does: it keeps its connections open and passes nothing on. */
export class SilentProxy {
  readonly #sockets = new Set<Socket>()
  readonly #server
  #silent = false

  static async start(port: number): Promise<SilentProxy> {
    const proxy = new SilentProxy(port)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  private constructor(port: number) {
    this.#server = createServer((client) => {
      const upstream = connect(port, '127.0.0.1')
      for (const [from, to] of [[client, upstream], [upstream, client]] as const) {
        this.#sockets.add(from)
        if (!this.#silent) from.pipe(to)
        from.on('error', () => { to.destroy() })
      }
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** From now on, for the connections there are and for those that come. */
  silence(): void {
    this.#silent = true
    for (const socket of this.#sockets) {
      socket.unpipe()
      socket.pause()
    }
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
