import { once } from 'node:events'
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'

/** A server whose connections all go to `serve`; answers its port. */
export async function listen(serve: (socket: Socket) => void, path?: string): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    // A client that is cut is nobody's concern here.
    socket.on('error', () => undefined)
    serve(socket)
  })
  if (path === undefined) server.listen(0, '127.0.0.1')
  else server.listen(path)
  await once(server, 'listening')
  return { server, port: path === undefined ? (server.address() as AddressInfo).port : 0 }
}

/** Connects, sends, ends its side, and reads to the end; rejects when the connection breaks. */
export async function exchange(to: number | string, data: string | Buffer, encoding: BufferEncoding = 'utf8'): Promise<string> {
  const socket = typeof to === 'number' ? connect({ port: to, host: '127.0.0.1', allowHalfOpen: true }) : connect({ path: to, allowHalfOpen: true })
  let text = ''
  socket.setEncoding(encoding).on('data', (piece: string) => { text += piece })
  socket.end(data)
  await once(socket, 'close')
  return text
}

/** Resolves when a connection that is refused or cut is over. */
export async function comesToNothing(port: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  await once(socket, 'close')
}
