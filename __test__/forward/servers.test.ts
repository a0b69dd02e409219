import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { type Server, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Dropbear } from '../support/dropbear'
import { failureOf } from '../support/failure'
import { SSHConnectionPool, type SSHTarget } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { freePort } from '../support/ports'
import { PythonServer } from '../support/python-servers'
import { comesToNothing, exchange, listen } from '../support/sockets'
import { until } from '../support/wait'

interface Remote {
  target: (extra?: Partial<SSHTarget>) => SSHTarget
  stop: () => Promise<void>
}

interface Lacks {
  /** The server's end of a forward can be no UNIX socket: `to` one, or listening `on` one. */
  unixSockets?: ('to' | 'on')[]
  /** It says that it listens no more, and goes on until its connection ends. */
  cancelling?: true
}

const SERVERS: [name: string, start: () => Promise<Remote>, lacks: Lacks][] = [
  ['OpenSSH', () => OpenSSHServer.start(), {}],
  ['dropbear', () => Dropbear.start('127.0.0.1'), { unixSockets: ['to', 'on'], cancelling: true }],
  ['asyncssh', () => PythonServer.start('asyncssh'), {}],
  ['paramiko', () => PythonServer.start('paramiko'), { unixSockets: ['to', 'on'] }],
]

/** What holds with every server. */
describe.each(SERVERS)('forwards through %s', (_name, start, { unixSockets = [], cancelling }) => {
  let server: Remote
  let pool: SSHConnectionPool
  let echo: { server: Server; port: number }
  let directory: string

  beforeAll(async () => {
    server = await start()
    pool = new SSHConnectionPool()
    echo = await listen((socket) => { socket.pipe(socket) })
    directory = mkdtempSync(join(tmpdir(), 'xec-forward-'))
  })

  afterAll(async () => {
    expect(pool.getConnections().map(({ channels }) => channels).filter((channels) => channels > 0)).toEqual([])
    await pool.dispose()
    echo.server.close()
    await server.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  it('local: many at once, each with its own bytes and half-close', async () => {
    await using forward = await pool.forwardLocal(server.target(), { remotePort: echo.port })
    const texts = Array.from({ length: 30 }, (_, i) => `${i}:`.repeat(10_000))
    expect(await Promise.all(texts.map((text) => exchange(forward.localPort, text)))).toEqual(texts)
    const bytes = texts.join('').length
    expect(forward.stats()).toMatchObject({ connections: 30, failed: 0, bytesIn: bytes, bytesOut: bytes })
    await until('no connection is active', () => forward.stats().active === 0)
  })

  it('local: a refused target closes its client and counts, nothing else', async () => {
    await using forward = await pool.forwardLocal(server.target(), { remotePort: await freePort() })
    const failed = once(forward, 'error')
    await comesToNothing(forward.localPort)
    expect((await failed)[0]).toMatchObject({ code: 'EFORWARDTARGET', kind: 'connection-refused' })
    expect(forward.stats()).toMatchObject({ connections: 1, failed: 1, active: 0 })
    expect(forward.isOpen).toBe(true)
  })

  it('local: closing cuts its clients', async () => {
    const forward = await pool.forwardLocal(server.target(), { remotePort: echo.port })
    const socket = connect({ port: forward.localPort, host: '127.0.0.1' })
    socket.on('error', () => undefined)
    socket.write('x')
    await once(socket, 'data')
    await Promise.all([once(socket, 'close'), forward.close()])
    await expect(exchange(forward.localPort, 'x')).rejects.toThrow()
  })

  it('remote on port 0, and two on one connection are told apart', async () => {
    const other = await listen((socket) => socket.end('other'))
    await using first = await pool.forwardRemote(server.target(), { localPort: echo.port })
    await using second = await pool.forwardRemote(server.target(), { localPort: other.port })
    const texts = ['a', 'b'.repeat(500_000), 'c']
    expect(await Promise.all(texts.map((text) => exchange(first.remotePort, text)))).toEqual(texts)
    expect(await exchange(second.remotePort, '')).toBe('other')
    expect(first.stats()).toMatchObject({ connections: 3, failed: 0 })
    other.server.close()
  })

  it('remote: closed, nobody gets through any more; a local end that refuses counts', async () => {
    const forward = await pool.forwardRemote(server.target(), { localPort: await freePort() })
    await comesToNothing(forward.remotePort)
    await until('it is counted', () => forward.stats().failed === 1)
    const { remotePort } = forward
    await forward.close()
    // Cut, it depends on what had arrived whether that is an end or a reset.
    if (cancelling === true) await comesToNothing(remotePort)
    else await expect(exchange(remotePort, 'x')).rejects.toThrow()
  })

  it('dynamic', async () => {
    await using forward = await pool.forwardDynamic(server.target())
    const socket = connect({ port: forward.localPort, host: '127.0.0.1' })
    let answer = Buffer.alloc(0)
    socket.on('data', (piece: Buffer) => { answer = Buffer.concat([answer, piece]) })
    const closed = once(socket, 'close')
    socket.write(Buffer.from([5, 1, 0]))
    socket.write(Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, echo.port >> 8, echo.port & 255]))
    await until('the request is answered', () => answer.length >= 12)
    socket.end('ping')
    await closed
    expect([answer[3], answer.subarray(12).toString()]).toEqual([0, 'ping'])
  })

  it.skipIf(unixSockets.includes('to'))('to a UNIX socket there', async () => {
    const path = join(directory, 'to')
    // The server may run as somebody else.
    const { server: listening } = await listen((socket) => socket.end('by socket'), path)
    chmodSync(directory, 0o755)
    chmodSync(path, 0o777)
    await using forward = await pool.forwardLocal(server.target(), { remoteSocket: path })
    expect(await exchange(forward.localPort, '')).toBe('by socket')
    listening.close()
  })

  it.skipIf(unixSockets.includes('on'))('from a UNIX socket there', async () => {
    const path = join(tmpdir(), `xec-on-${process.pid}-${Date.now()}`)
    await using forward = await pool.forwardRemote(server.target(), { remoteSocket: path, localPort: echo.port })
    expect([forward.remoteSocket, await exchange(path, 'back')]).toEqual([path, 'back'])
    await forward.close()
    rmSync(path, { force: true })
  })

  it.runIf(unixSockets.length > 0)('what it does not have is refused', async () => {
    const forward = await pool.forwardLocal(server.target(), { remoteSocket: join(directory, 'nothing') })
    await comesToNothing(forward.localPort)
    expect(forward.stats().failed).toBe(1)
    await forward.close()
    expect(await failureOf(pool.forwardRemote(server.target(), { remoteSocket: join(directory, 'x'), localPort: 1 })))
      .toMatchObject({ code: 'EFORWARDDENIED' })
  })
})

describe('dropbear', () => {
  it('that forbids forwarding says so', async () => {
    const strict = await Dropbear.start('127.0.0.1', '-j', '-k')
    const pool = new SSHConnectionPool()
    expect(await failureOf(pool.forwardRemote(strict.target(), { localPort: 1 }))).toMatchObject({ code: 'EFORWARDDENIED' })
    await pool.dispose()
    await strict.stop()
  })
})
