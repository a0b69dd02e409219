// The two ends of an upgrade: asking a streaming server for one, and refusing it to a client.
import { request } from 'node:http'
import { STATUS_CODES } from 'node:http'

const LIMIT = 30_000

/** Asks a streaming server for SPDY; resolves with `{ socket, head, protocol }`. */
export function askForSpdy(url, protocol) {
  return new Promise((resolve, reject) => {
    const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocol }
    const asked = request(url, { method: 'POST', headers, agent: false, timeout: LIMIT })
    asked.on('timeout', () => asked.destroy(new Error('the streaming server does not answer')))
    asked.on('error', reject)
    asked.on('response', (response) => {
      response.resume()
      reject(new Error(`the streaming server refuses: ${response.statusCode}`))
    })
    asked.on('upgrade', (_response, socket, head) => {
      socket.setTimeout(0)
      socket.setNoDelay(true)
      resolve({ socket, head })
    })
    asked.end()
  })
}

export function refuse(socket, { code, status }) {
  const body = JSON.stringify(status)
  socket.on('error', () => {})
  socket.end([
    `HTTP/1.1 ${code} ${STATUS_CODES[code]}`, 'Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`, 'Connection: close', '', body,
  ].join('\r\n'))
}
