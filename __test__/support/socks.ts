import { once } from 'node:events'
import { connect } from 'node:net'
import { until } from './wait'

/** Sends a SOCKS5 request without a login, then `ping`; answers all that came back. */
export async function socks5(proxy: number, request: Buffer): Promise<Buffer> {
  const socket = connect({ port: proxy, host: '127.0.0.1' })
  const pieces: Buffer[] = []
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  socket.on('error', () => undefined)
  const size = (): number => Buffer.concat(pieces).length
  const closed = once(socket, 'close')
  socket.write(Buffer.from([5, 1, 0]))
  await until('the greeting is answered', () => size() >= 2)
  socket.write(request)
  await until('the request is answered', () => size() >= 12 || socket.closed)
  socket.end('ping')
  await closed
  return Buffer.concat(pieces)
}
