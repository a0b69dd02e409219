// A daemon that answers at once, in a process of its own: what an exec takes with it is the client's own share, and the kernel's.
import { rmSync } from 'node:fs'
import { createServer } from 'node:net'

const [, , path] = process.argv
const body = (text, headers = '') => `HTTP/1.1 200 OK\r\n${headers}Content-Length: ${text.length}\r\n\r\n${text}`
const HIJACKED = 'HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n'
const OUTPUT = Buffer.from([1, 0, 0, 0, 0, 0, 0, 6, ...Buffer.from('hello\n')])

const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => undefined)
  socket.on('end', () => socket.end())
  let text = ''
  socket.on('data', (data) => {
    text += data.toString('latin1')
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      const head = text.slice(0, end).toLowerCase()
      const length = Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0)
      if (text.length < end + 4 + length) return
      text = text.slice(end + 4 + length)
      if (head.includes('/_ping')) socket.write(body('OK', 'Api-Version: 1.41\r\n'))
      else if (head.includes('/start')) socket.end(Buffer.concat([Buffer.from(HIJACKED), OUTPUT]))
      else if (head.startsWith('post')) socket.write(body('{"Id":"abc"}'))
      else socket.write(body('{"Running":false,"ExitCode":0}'))
    }
  })
})
server.listen(path, () => process.send('ready'))
process.once('disconnect', () => {
  rmSync(path, { force: true })
  process.exit()
})
