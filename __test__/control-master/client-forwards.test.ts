import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SSHTarget } from '../../index.mjs'
import { OpenSSHMaster, sshThrough } from '../support/control-master'
import { failureOf } from '../support/failure'
import { SSHConnectionPool, type XecNativeError } from '../support/native'
import { freePort } from '../support/ports'
import { comesToNothing, exchange, listen } from '../support/sockets'
import { socks5 } from '../support/socks'
import { echoPort, server, stageServerAndEcho } from '../support/stage'
import { until } from '../support/wait'

let directory: string
let path: string
let master: OpenSSHMaster
let pool: SSHConnectionPool
let before: number

stageServerAndEcho()

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'xec-mux-'))
  path = join(directory, 'control')
  pool = new SSHConnectionPool({ reconnect: { initialDelay: 50 } })
  master = await OpenSSHMaster.start(server, path)
  before = await connections()
})

afterEach(async () => {
  await pool.dispose()
  await master.stop()
  rmSync(directory, { recursive: true })
})

/** Nothing to log in with: without the master, every forward would fail. */
const shared = (extra: Partial<SSHTarget> = {}): SSHTarget => {
  const { host, port, username } = server.target()
  return { host, port, username, controlPath: path, ...extra }
}

const connections = (): Promise<number> => server.counted(/^Connection from /)

/** The master has borne it, and nobody has gone round it. */
async function unharmed(): Promise<void> {
  expect((await sshThrough(path, ['-O', 'check', 'host'])).code).toBe(0)
  expect(await connections()).toBe(before)
}

describe('local forwards through ssh -M', () => {
  it('200 connections at once, each with its own bytes and half-close', async () => {
    await using forward = await pool.forwardLocal(shared(), { remotePort: echoPort })
    const texts = Array.from({ length: 200 }, (_, i) => `${i}:`.repeat(500))
    expect(await Promise.all(texts.map((text) => exchange(forward.localPort, text)))).toEqual(texts)
    const bytes = texts.join('').length
    await until('no connection is active', () => forward.stats().active === 0)
    expect(forward.stats()).toEqual({ connections: 200, active: 0, failed: 0, reconnects: 0, bytesIn: bytes, bytesOut: bytes })
    expect(pool.getStats().totalConnections).toBe(1)
    await unharmed()
  })

  it('64 MiB each way arrive as they were sent, however slow the reader', async () => {
    const received = createHash('sha256')
    const [sent, answer] = [64 * 1024 * 1024, Buffer.alloc(1024 * 1024, 'abcdefghijklmnop-')]
    const sink = await listen((socket) => {
      socket.on('data', (data: Buffer) => received.update(data))
      socket.on('end', () => {
        for (let i = 0; i < 64; i++) socket.write(answer)
        socket.end()
      })
    })
    await using forward = await pool.forwardLocal(shared(), { remotePort: sink.port })
    const socket = connect({ port: forward.localPort, host: '127.0.0.1', allowHalfOpen: true })
    const piece = Buffer.alloc(1024 * 1024)
    const expected = createHash('sha256')
    for (let i = 0; i < 64; i++) {
      piece.writeUInt32LE(i)
      expected.update(piece)
      if (!socket.write(Buffer.from(piece))) await once(socket, 'drain')
    }
    socket.end()
    let bytes = 0
    for await (const data of socket as AsyncIterable<Buffer>) bytes += data.length
    sink.server.close()
    expect(bytes).toBe(sent)
    expect(received.digest('hex')).toBe(expected.digest('hex'))
    expect(forward.stats()).toMatchObject({ bytesIn: sent, bytesOut: sent, failed: 0 })
  }, 60_000)

  it('more forwards than one connection has places for', async () => {
    const forwards = await Promise.all(Array.from({ length: 12 }, () => pool.forwardLocal(shared(), { remotePort: echoPort })))
    expect(await Promise.all(forwards.map(({ localPort }, i) => exchange(localPort, `${i}`)))).toEqual(forwards.map((_, i) => `${i}`))
    await Promise.all(forwards.map((forward) => forward.close()))
    await unharmed()
  })

  it('a refused target closes its client and counts, nothing else', async () => {
    await using forward = await pool.forwardLocal(shared(), { remotePort: await freePort() })
    const failed = once(forward, 'error')
    await comesToNothing(forward.localPort)
    const [error] = await failed as [XecNativeError]
    expect(error).toMatchObject({ code: 'EFORWARDTARGET', kind: 'connection-refused', reached: false })
    // The protocol has no word for why.
    expect(error.message).toMatch(/ControlMaster says only/)
    expect(forward.stats()).toMatchObject({ connections: 1, failed: 1, active: 0 })
    expect(forward.isOpen).toBe(true)
    await unharmed()
  })

  it('clients that leave while their connection is made harm neither master nor neighbours', async () => {
    await using forward = await pool.forwardLocal(shared(), { remotePort: echoPort })
    await Promise.all(Array.from({ length: 50 }, async (_, i) => {
      if (i % 2 === 0) {
        expect(await exchange(forward.localPort, `${i}`)).toBe(`${i}`)
        return
      }
      const leaving = connect({ port: forward.localPort, host: '127.0.0.1' })
      await once(leaving, 'connect')
      leaving.resetAndDestroy()
    }))
    await until('all are over', () => forward.stats().active === 0)
    expect(await exchange(forward.localPort, 'well')).toBe('well')
    await unharmed()
  })

  it('closing cuts what is open, and the master goes on', async () => {
    const forward = await pool.forwardLocal(shared(), { remotePort: echoPort })
    const held = connect({ port: forward.localPort, host: '127.0.0.1' })
    held.on('error', () => undefined)
    held.write('x')
    await once(held, 'data')
    const cut = once(held, 'close')
    await forward.close()
    await cut
    await unharmed()
  })

  it('the master dies: the next connection is made without it, and the listener stays', async () => {
    await using forward = await pool.forwardLocal(server.target({ controlPath: path }), { remotePort: echoPort })
    const { localPort } = forward
    const held = connect({ port: localPort, host: '127.0.0.1' })
    held.on('error', () => undefined)
    held.write('x')
    await once(held, 'data')
    expect(await connections()).toBe(before)
    const [cut, reconnecting, reconnected] = [once(held, 'close'), once(forward, 'reconnecting'), once(forward, 'reconnected')]
    await master.kill()
    await Promise.all([cut, reconnecting])
    expect(await exchange(localPort, 'meanwhile')).toBe('meanwhile')
    await reconnected
    expect(forward.stats()).toMatchObject({ connections: 2, failed: 0, reconnects: 1 })
    expect(await connections()).toBe(before + 1)
  })

  it('ends with its error when there is no other way', async () => {
    const forward = await pool.forwardLocal(shared(), { remotePort: echoPort })
    const closed = once(forward, 'close')
    await master.kill()
    expect((await closed)[0]).toMatchObject({ code: 'EAUTH' })
    expect(forward.isOpen).toBe(false)
  })

  it('to a socket behind the server it has a connection of its own', async () => {
    const there = join(directory, 'there')
    const inn = await listen((socket) => socket.end('by socket'), there)
    // It is the server's user who opens it.
    chmodSync(directory, 0o755)
    chmodSync(there, 0o777)
    await using forward = await pool.forwardLocal(server.target({ controlPath: path }), { remoteSocket: there })
    expect(await exchange(forward.localPort, '')).toBe('by socket')
    expect(await connections()).toBe(before + 1)
    inn.server.close()
  })
})

describe('dynamic forwards through ssh -M', () => {
  it('each client names its target; a refused one is said so', async () => {
    await using forward = await pool.forwardDynamic(shared())
    const name = Buffer.from('localhost')
    const port = (number: number): number[] => [number >> 8, number & 255]
    const named = await socks5(forward.localPort, Buffer.from([5, 1, 0, 3, name.length, ...name, ...port(echoPort)]))
    expect([named[3], named.subarray(12).toString()]).toEqual([0, 'ping'])
    const refused = await socks5(forward.localPort, Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, ...port(await freePort())]))
    expect(refused[3]).toBe(5)
    expect(forward.stats()).toMatchObject({ connections: 2, failed: 1 })
    await unharmed()
  })
})

describe('remote forwards through ssh -M', () => {
  const litter = (): string[] => readdirSync(tmpdir()).filter((name) => /^xec-[0-9a-f]{16}$/.test(name))

  it('port 0: the server picks; closed, it listens no more and nothing stays behind', async () => {
    const clean = litter()
    const forward = await pool.forwardRemote(shared(), { localPort: echoPort })
    const { remotePort } = forward
    expect(remotePort).toBeGreaterThan(0)
    const texts = Array.from({ length: 50 }, (_, i) => `${i}:`.repeat(5_000))
    expect(await Promise.all(texts.map((text) => exchange(remotePort, text)))).toEqual(texts)
    await until('no connection is active', () => forward.stats().active === 0)
    const bytes = texts.join('').length
    expect(forward.stats()).toEqual({ connections: 50, active: 0, failed: 0, reconnects: 0, bytesIn: bytes, bytesOut: bytes })
    await forward.close()
    await expect(exchange(remotePort, 'x')).rejects.toThrow()
    expect(litter()).toEqual(clean)
    await unharmed()
  })

  it('a certain port, two at once, and a port that is taken', async () => {
    const other = await listen((socket) => socket.end('other'))
    const remotePort = await freePort()
    await using first = await pool.forwardRemote(shared(), { remotePort, localPort: echoPort })
    await using second = await pool.forwardRemote(shared(), { localPort: other.port })
    expect(first.remotePort).toBe(remotePort)
    expect(await exchange(second.remotePort, '')).toBe('other')
    expect(await exchange(remotePort, 'echo')).toBe('echo')
    expect(await failureOf(pool.forwardRemote(shared(), { remotePort: echoPort, localPort: echoPort })))
      .toMatchObject({ code: 'EFORWARDDENIED', kind: 'permission-denied' })
    other.server.close()
    await unharmed()
  })

  it('a local end that refuses closes that connection and counts', async () => {
    await using forward = await pool.forwardRemote(shared(), { localPort: await freePort() })
    await comesToNothing(forward.remotePort)
    await until('it is counted', () => forward.stats().failed === 1)
    expect(forward.isOpen).toBe(true)
    await unharmed()
  })

  it('a socket at the server', async () => {
    const there = `/tmp/xec-there-${process.pid}`
    const forward = await pool.forwardRemote(shared(), { remoteSocket: there, localPort: echoPort })
    expect(forward.remoteSocket).toBe(there)
    expect(await exchange(there, 'round')).toBe('round')
    await forward.close()
    await expect(exchange(there, 'x')).rejects.toThrow()
    rmSync(there, { force: true })
  })

  it.each(['drain', 'closeAll', 'dispose'] as const)('%s has the server listen no more, although the master goes on', async (how) => {
    const forward = await pool.forwardRemote(shared(), { localPort: echoPort })
    const closed = once(forward, 'close')
    await pool[how]()
    expect((await closed)[0]).toMatchObject({ code: 'EPOOLCLOSED' })
    await expect(exchange(forward.remotePort, 'x')).rejects.toThrow()
    await unharmed()
  })

  it('the master dies: the same port again, without it', async () => {
    await using forward = await pool.forwardRemote(server.target({ controlPath: path }), { localPort: echoPort })
    const { remotePort } = forward
    expect(await exchange(remotePort, 'before')).toBe('before')
    const reconnected = once(forward, 'reconnected')
    await master.kill()
    await reconnected
    expect(forward.remotePort).toBe(remotePort)
    expect(await exchange(remotePort, 'after')).toBe('after')
    expect(forward.stats()).toMatchObject({ connections: 2, failed: 0, reconnects: 1 })
    expect(await connections()).toBe(before + 1)
  })
})
