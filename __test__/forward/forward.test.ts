import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type Socket, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { SSHConnectionPool, type SSHTarget, type XecNativeError } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { freePort } from '../support/ports'
import { comesToNothing, exchange, listen } from '../support/sockets'
import { socks5 } from '../support/socks'
import { echoPort, server, stageServerAndEcho } from '../support/stage'
import { until } from '../support/wait'

let pool: SSHConnectionPool

stageServerAndEcho()

beforeEach(() => { pool = new SSHConnectionPool({ reconnect: { initialDelay: 50 } }) })
afterEach(async () => { await pool.dispose() })

describe('local forwards', () => {
  it('200 connections at once, each with its own bytes and half-close', async () => {
    await using forward = await pool.forwardLocal(server.target(), { remotePort: echoPort })
    const texts = Array.from({ length: 200 }, (_, i) => `${i}:`.repeat(500))
    expect(await Promise.all(texts.map((text) => exchange(forward.localPort, text)))).toEqual(texts)
    const bytes = texts.join('').length
    expect(forward.stats()).toMatchObject({ connections: 200, failed: 0, reconnects: 0, bytesIn: bytes, bytesOut: bytes })
    await until('no connection is active', () => forward.stats().active === 0)
    expect(pool.getStats().totalConnections).toBe(1)
  })

  it('256 MiB arrive as they were sent', async () => {
    const piece = Buffer.alloc(1024 * 1024, 'abcdefghijklmnop-')
    const sent = createHash('sha256')
    const source = await listen((socket) => {
      socket.resume()
      let left = 256
      const write = (): void => {
        while (left > 0) {
          left -= 1
          piece.writeUInt32LE(left)
          const copy = Buffer.from(piece)
          sent.update(copy)
          if (!socket.write(copy)) return void socket.once('drain', write)
        }
        socket.end()
      }
      write()
    })
    await using forward = await pool.forwardLocal(server.target(), { remotePort: source.port })
    const socket = connect({ port: forward.localPort, host: '127.0.0.1' })
    const received = createHash('sha256')
    let bytes = 0
    for await (const data of socket as AsyncIterable<Buffer>) {
      received.update(data)
      bytes += data.length
    }
    source.server.close()
    expect(bytes).toBe(256 * 1024 * 1024)
    expect(received.digest('hex')).toBe(sent.digest('hex'))
    expect(forward.stats().bytesIn).toBe(bytes)
  }, 60_000)

  it('a client that does not read is held back, and stalls no command', async () => {
    let written = 0
    const endless = await listen((socket) => {
      const write = (): void => {
        const piece = Buffer.alloc(64 * 1024)
        while (!socket.destroyed) {
          written += piece.length
          if (!socket.write(piece)) return void socket.once('drain', write)
        }
      }
      write()
    })
    await using forward = await pool.forwardLocal(server.target(), { remotePort: endless.port })
    const slow = connect({ port: forward.localPort, host: '127.0.0.1' })
    slow.pause()
    let before = -1
    await until('the source is held back', () => {
      const still = written === before && written > 0
      before = written
      return still
    })
    expect(written).toBeLessThan(64 * 1024 * 1024)
    expect((await pool.exec(server.target(), 'echo well')).stdout).toBe('well\n')
    slow.destroy()
    await until('its connection is over', () => forward.stats().active === 0)
    endless.server.close()
  })

  it('a refused target closes its client and counts, nothing else', async () => {
    await using forward = await pool.forwardLocal(server.target(), { remotePort: await freePort() })
    const failed = once(forward, 'error')
    await comesToNothing(forward.localPort)
    expect((await failed)[0]).toMatchObject({ code: 'EFORWARDTARGET', kind: 'connection-refused', reached: false })
    expect(forward.stats()).toMatchObject({ connections: 1, failed: 1, active: 0 })
    expect(forward.isOpen).toBe(true)
    // Without a listener: no uncaught error.
    await comesToNothing(forward.localPort)
    expect(forward.stats().failed).toBe(2)
  })

  it('reconnects after its link dropped; connecting meanwhile crashes nothing', async () => {
    await using forward = await pool.forwardLocal(server.target(), { remotePort: echoPort })
    const { localPort } = forward
    expect(await exchange(localPort, 'before')).toBe('before')
    const held = connect({ port: localPort, host: '127.0.0.1' })
    held.on('error', () => undefined)
    // Its echo says that it has got through; that it is counted says only that it has come.
    held.write('held')
    await once(held, 'data')
    const [reconnecting, reconnected] = [once(forward, 'reconnecting'), once(forward, 'reconnected')]
    server.killConnections()
    await Promise.all([once(held, 'close'), reconnecting])
    // The listener is still open: this one waits for the new connection.
    expect(await exchange(localPort, 'meanwhile')).toBe('meanwhile')
    await reconnected
    expect(await exchange(localPort, 'after')).toBe('after')
    expect(forward.stats()).toMatchObject({ connections: 4, failed: 0, reconnects: 1 })
  })

  it('ends with its error when the server stays away', async () => {
    const sockets = new Set<Socket>()
    const door = await listen((socket) => {
      const behind = connect({ port: server.port, host: '127.0.0.1' })
      for (const end of [socket, behind]) sockets.add(end.on('error', () => undefined))
      socket.pipe(behind).pipe(socket)
    })
    const poolConfig = { reconnect: { maxRetries: 1, initialDelay: 20 } }
    const target = server.target({ port: door.port, hostKeyChecking: 'off', poolConfig })
    const forward = await pool.forwardLocal(target, { remotePort: echoPort })
    const closed = once(forward, 'close')
    door.server.close()
    for (const socket of sockets) socket.destroy()
    const [error] = await closed as [XecNativeError]
    expect(error).toMatchObject({ code: 'ECONNREFUSED' })
    expect(forward.isOpen).toBe(false)
    await expect(exchange(forward.localPort, 'x')).rejects.toThrow()
  })

  it('a taken port is an error at once, and a wrong login too', async () => {
    expect(await failureOf(pool.forwardLocal(server.target(), { localPort: echoPort, remotePort: 1 })))
      .toMatchObject({ code: 'EADDRINUSE', kind: 'invalid-usage' })
    const { host, port, username, knownHostsPath } = server.target()
    const target = { host, port, username, knownHostsPath, password: 'wrong' } as SSHTarget
    expect(await failureOf(pool.forwardLocal(target, { remotePort: 1 }))).toMatchObject({ code: 'EAUTH' })
  })

  it('a server that forbids forwarding has a code of its own', async () => {
    const strict = await OpenSSHServer.start({ config: ['AllowTcpForwarding no'] })
    await using forward = await pool.forwardLocal(strict.target(), { remotePort: echoPort })
    const failed = once(forward, 'error')
    await comesToNothing(forward.localPort)
    expect((await failed)[0]).toMatchObject({ code: 'EFORWARDDENIED', kind: 'permission-denied' })
    expect(await failureOf(pool.forwardRemote(strict.target(), { localPort: echoPort }))).toMatchObject({ code: 'EFORWARDDENIED' })
    await forward.close()
    await strict.stop()
  })

  it('idle cleanup leaves an open forward alone', async () => {
    await using forward = await pool.forwardLocal(
      server.target({ poolConfig: { idleTimeout: 30, maxLifetime: 30 } }), { remotePort: echoPort })
    await new Promise((resolve) => { setTimeout(resolve, 200) })
    await pool.closeIdleConnections()
    expect(await exchange(forward.localPort, 'still here')).toBe('still here')
    expect(forward.stats().reconnects).toBe(0)
  })

  it.each(['drain', 'closeAll', 'dispose'] as const)('%s closes it, with the reason', async (how) => {
    const forward = await pool.forwardLocal(server.target(), { remotePort: echoPort })
    const closed = once(forward, 'close')
    await pool[how]()
    expect((await closed)[0]).toMatchObject({ code: 'EPOOLCLOSED' })
    expect(forward.isOpen).toBe(false)
  })
})

describe('remote forwards', () => {
  it('port 0: the server picks, and gives the same one again after a lost link', async () => {
    await using forward = await pool.forwardRemote(server.target(), { localPort: echoPort })
    const { remotePort } = forward
    expect(remotePort).toBeGreaterThan(0)
    expect(await Promise.all(['a', 'b', 'c'].map((text) => exchange(remotePort, text)))).toEqual(['a', 'b', 'c'])
    const reconnected = once(forward, 'reconnected')
    server.killConnections()
    await reconnected
    expect(forward.remotePort).toBe(remotePort)
    expect(await exchange(remotePort, 'back')).toBe('back')
    expect(forward.stats()).toMatchObject({ connections: 4, failed: 0, reconnects: 1 })
    await forward.close()
    await expect(exchange(remotePort, 'x')).rejects.toThrow()
  })

  it('a local end that refuses closes that connection and counts', async () => {
    await using forward = await pool.forwardRemote(server.target(), { localPort: await freePort() })
    await comesToNothing(forward.remotePort)
    await until('it is counted', () => forward.stats().failed === 1)
    expect(forward.isOpen).toBe(true)
  })

  it('two on one connection are told apart', async () => {
    const other = await listen((socket) => socket.end('other'))
    await using first = await pool.forwardRemote(server.target(), { localPort: echoPort })
    await using second = await pool.forwardRemote(server.target(), { localPort: other.port })
    expect(await exchange(second.remotePort, '')).toBe('other')
    expect(await exchange(first.remotePort, 'echo')).toBe('echo')
    expect(pool.getStats().totalConnections).toBe(1)
    other.server.close()
  })
})

describe('dynamic forwards', () => {
  const port = (number: number): number[] => [number >> 8, number & 255]

  it('SOCKS5 by name and by address; a refused target is said so', async () => {
    await using forward = await pool.forwardDynamic(server.target())
    const name = Buffer.from('localhost')
    const named = await socks5(forward.localPort, Buffer.from([5, 1, 0, 3, name.length, ...name, ...port(echoPort)]))
    expect([named[3], named.subarray(12).toString()]).toEqual([0, 'ping'])
    const addressed = await socks5(forward.localPort, Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, ...port(echoPort)]))
    expect([addressed[3], addressed.subarray(12).toString()]).toEqual([0, 'ping'])
    const refused = await socks5(forward.localPort, Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, ...port(await freePort())]))
    expect(refused[3]).toBe(5)
    expect(forward.stats()).toMatchObject({ connections: 3, failed: 1 })
  })
})

describe('UNIX sockets', () => {
  let directory: string
  beforeEach(() => { directory = mkdtempSync(join(tmpdir(), 'xec-forward-')) })
  afterEach(() => { rmSync(directory, { recursive: true, force: true }) })

  it('on either side of a local forward, and of a remote one', async () => {
    const [here, there] = [join(directory, 'here'), `/tmp/xec-there-${process.pid}`]
    await using toPort = await pool.forwardLocal(server.target(), { localSocket: here, remotePort: echoPort })
    expect(await exchange(here, 'by socket')).toBe('by socket')
    await using fromServer = await pool.forwardRemote(server.target(), { remoteSocket: there, localSocket: here })
    expect(fromServer.remoteSocket).toBe(there)
    expect(await exchange(there, 'round')).toBe('round')
    await using toSocket = await pool.forwardLocal(server.target(), { remoteSocket: there })
    expect(await exchange(toSocket.localPort, 'and round')).toBe('and round')
    await toPort.close()
    await expect(exchange(here, 'x')).rejects.toThrow()
    rmSync(there, { force: true })
  })
})

describe('two hosts', () => {
  it('each forward lands on its own', async () => {
    const second = await OpenSSHServer.start()
    const [one, two] = await Promise.all([
      pool.forwardLocal(server.target(), { remotePort: server.port }), pool.forwardLocal(second.target(), { remotePort: second.port }),
    ])
    const accepted = (log: OpenSSHServer): number => log.count(/^Connection from 127\.0\.0\.1/)
    const [before, beside] = [accepted(server), accepted(second)]
    expect(await exchange(one.localPort, '')).toMatch(/^SSH-2\.0/)
    await until('the first server was reached', () => accepted(server) > before)
    expect(accepted(second)).toBe(beside)
    expect(await exchange(two.localPort, '')).toMatch(/^SSH-2\.0/)
    await until('the second server was reached', () => accepted(second) > beside)
    await Promise.all([one.close(), two.close()])
    await second.stop()
  })
})

describe('options', () => {
  it.each([
    ['remotePort', {}], ['remotePort', { remotePort: 0 }], ['localPort', { localPort: 70_000, remotePort: 1 }],
    ['remoteSocket', { remoteSocket: '/x', remotePort: 1 }], ['localSocket', { localSocket: '', remotePort: 1 }],
  ])('%s of %j is refused', async (option, options) => {
    expect(await failureOf(pool.forwardLocal(server.target(), options))).toMatchObject({ code: 'EINVAL_OPTION', option })
  })
})
