import { once } from 'node:events'
import { type AddressInfo, type Server, createServer } from 'node:net'

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** A port nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer()
  const port = await listen(server)
  server.close()
  await once(server, 'close')
  return port
}

/** A listener that only counts who comes. */
export class DoorKeeper {
  readonly #server = createServer((socket) => {
    this.visitors += 1
    socket.destroy()
  })

  visitors = 0
  port = 0

  static async start(): Promise<DoorKeeper> {
    const keeper = new DoorKeeper()
    keeper.port = await listen(keeper.#server)
    return keeper
  }

  async stop(): Promise<void> {
    this.#server.close()
    await once(this.#server, 'close')
  }
}
