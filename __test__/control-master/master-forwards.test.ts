import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { type Socket, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SSHTarget } from '../../index.mjs'
import { spawnThrough, sshThrough } from '../support/control-master'
import { SSHConnectionPool } from '../support/native'
import { freePort } from '../support/ports'
import { exchange, listen } from '../support/sockets'
import { socks5 } from '../support/socks'
import { echoPort, server, stageServerAndEcho } from '../support/stage'
import { until } from '../support/wait'

let directory: string
let path: string
let pool: SSHConnectionPool
let before: number

stageServerAndEcho()

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'xec-mux-'))
  path = join(directory, 'control')
  pool = new SSHConnectionPool()
  await serving()
})

afterEach(async () => {
  await pool.dispose()
  rmSync(directory, { recursive: true, force: true })
})

const target = (extra: Partial<SSHTarget> = {}): SSHTarget =>
  server.target({ controlMaster: true, controlPath: path, controlPersist: '10m', ...extra })

/** The pool has one connection, and serves it. */
async function serving(extra: Partial<SSHTarget> = {}): Promise<void> {
  expect((await pool.exec(target(extra), 'echo mine')).stdout).toBe('mine\n')
  await until('the control socket is there', () => existsSync(path))
  before = await connections()
}

const connections = (): Promise<number> => server.counted(/^Connection from /)

/** It all went over the one connection, which is well. */
async function unharmed(): Promise<void> {
  expect((await sshThrough(path, ['host', 'echo well'])).stdout.toString()).toBe('well\n')
  expect(await connections()).toBe(before)
}

/** `ssh -O forward` and the like; what it says. */
async function order(what: 'forward' | 'cancel', ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await sshThrough(path, ['-O', what, ...args, 'host'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout.toString().trim()
}

/** What it says when it fails; `ssh -O cancel` has no exit code for that. */
async function refused(what: 'forward' | 'cancel', ...args: string[]): Promise<string> {
  const { code, stderr } = await sshThrough(path, ['-O', what, ...args, 'host'])
  expect(`${code} ${stderr}`).toMatch(what === 'cancel' ? /^0 / : /^255 /)
  return stderr
}

/** A client that has its answer, and stays. */
async function held(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  socket.write('x')
  await once(socket, 'data')
  return socket
}

/** Until the server has been told, too; a listener that is still there gets its client nothing. */
async function nobodyListens(port: number): Promise<void> {
  for (let answer: string | undefined = ''; answer !== undefined;) {
    answer = await exchange(port, 'x').catch(() => undefined)
    expect(answer ?? '').toBe('')
  }
}

const bytes = (size: number): Buffer => {
  const data = Buffer.alloc(size)
  for (let i = 0; i + 4 <= size; i += 4096) data.writeUInt32LE(i, i)
  return data
}

describe('ssh -O forward through our master', () => {
  it('-L: listens here until it is cancelled; who is connected stays', async () => {
    const port = await freePort()
    const spec = `${port}:127.0.0.1:${echoPort}`
    await order('forward', '-L', spec)
    const texts = Array.from({ length: 50 }, (_, i) => `${i}:`.repeat(5_000))
    expect(await Promise.all(texts.map((text) => exchange(port, text)))).toEqual(texts)
    // As with a forward of the program's own, the connection is in use.
    expect(pool.getStats().activeChannels).toBe(1)
    const client = await held(port)
    await order('cancel', '-L', spec)
    await expect(exchange(port, 'x')).rejects.toThrow()
    client.write('still here')
    expect(String((await once(client, 'data'))[0])).toBe('still here')
    expect(pool.getStats().activeChannels).toBe(1)
    client.end()
    await until('its place is free', () => pool.getStats().activeChannels === 0)
    await unharmed()
  })

  it('-L: 32 MiB each way', async () => {
    const port = await freePort()
    await order('forward', '-L', `${port}:127.0.0.1:${echoPort}`)
    const data = bytes(32 * 1024 * 1024).toString('latin1')
    expect(await exchange(port, Buffer.from(data, 'latin1'), 'latin1') === data).toBe(true)
    // Where much waits for a client, others may be given another connection.
    expect((await sshThrough(path, ['host', 'echo well'])).stdout.toString()).toBe('well\n')
  }, 60_000)

  it('-L with addresses and sockets at either end', async () => {
    const [first, second, third] = [await freePort(), await freePort(), await freePort()]
    const [here, there] = [join(directory, 'here'), join(directory, 'there')]
    const inn = await listen((socket) => socket.end('by socket'), there)
    // It is the server's user who opens it.
    chmodSync(directory, 0o755)
    chmodSync(there, 0o777)
    await order('forward', '-L', `127.0.0.2:${first}:localhost:${echoPort}`, '-L', `${here}:127.0.0.1:${echoPort}`)
    await order('forward', '-L', `${second}:${there}`, '-L', `*:${third}:127.0.0.1:${echoPort}`)
    await expect(exchange(first, 'x')).rejects.toThrow()
    expect(await exchange(here, 'from a socket')).toBe('from a socket')
    expect(await exchange(second, '')).toBe('by socket')
    expect(await exchange(third, 'anywhere')).toBe('anywhere')
    await order('cancel', '-L', `${here}:127.0.0.1:${echoPort}`)
    expect(existsSync(here)).toBe(false)
    inn.server.close()
    await unharmed()
  })

  it('-R: the server listens, at its own choice too, until it is cancelled', async () => {
    const certain = await freePort()
    await order('forward', '-R', `${certain}:127.0.0.1:${echoPort}`)
    const chosen = Number(await order('forward', '-R', `0:127.0.0.1:${echoPort}`))
    expect(chosen).toBeGreaterThan(0)
    const texts = Array.from({ length: 50 }, (_, i) => `${i}:`.repeat(5_000))
    for (const port of [certain, chosen]) {
      expect(await Promise.all(texts.map((text) => exchange(port, text)))).toEqual(texts)
    }
    // Asked for once more it is the same one.
    expect(Number(await order('forward', '-R', `0:127.0.0.1:${echoPort}`))).toBe(chosen)
    await order('cancel', '-R', `${certain}:127.0.0.1:${echoPort}`)
    await order('cancel', '-R', `${chosen}:127.0.0.1:${echoPort}`)
    for (const port of [certain, chosen]) await expect(exchange(port, 'x')).rejects.toThrow()
    await until('nothing is in use', () => pool.getStats().activeChannels === 0)
    await unharmed()
  })

  it('-R to and from sockets', async () => {
    const [here, there] = [join(directory, 'here'), `/tmp/xec-there-${process.pid}`]
    const inn = await listen((socket) => { socket.pipe(socket) }, here)
    await order('forward', '-R', `${there}:${here}`)
    expect(await exchange(there, 'round')).toBe('round')
    await order('cancel', '-R', `${there}:${here}`)
    await expect(exchange(there, 'x')).rejects.toThrow()
    rmSync(there, { force: true })
    inn.server.close()
    await unharmed()
  })

  it.each(['-D', '-R'] as const)('%s with a port alone: each client names its target', async (flag) => {
    const proxy = await freePort()
    await order('forward', flag, String(proxy))
    const name = Buffer.from('localhost')
    const port = (number: number): number[] => [number >> 8, number & 255]
    const named = await socks5(proxy, Buffer.from([5, 1, 0, 3, name.length, ...name, ...port(echoPort)]))
    expect([named[3], named.subarray(12).toString()]).toEqual([0, 'ping'])
    const nobody = await socks5(proxy, Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, ...port(await freePort())]))
    expect(nobody[3]).toBe(5)
    // No request: its connection is ended, by whichever of the two ways.
    expect(await exchange(proxy, 'GET / HTTP/1.1\r\n\r\n').catch(() => '')).toBe('')
    await order('cancel', flag, String(proxy))
    await nobodyListens(proxy)
    await unharmed()
  })

  it('what is not to be had is refused, in words', async () => {
    expect(await refused('forward', '-L', `${echoPort}:127.0.0.1:1`)).toMatch(/Cannot listen on 127\.0\.0\.1:\d+.*in use/)
    expect(await refused('forward', '-R', `127.0.0.1:${echoPort}:127.0.0.1:1`)).toMatch(/server refuses to listen on 127/)
    expect(await refused('cancel', '-L', `${await freePort()}:127.0.0.1:1`)).toMatch(/no such forward/)
    expect(pool.getStats().activeChannels).toBe(0)
    await unharmed()
  })

  it('the connection is not idle while a forward is there', async () => {
    await pool.dispose()
    pool = new SSHConnectionPool()
    await serving({ controlPersist: 300 })
    const port = await freePort()
    await order('forward', '-L', `${port}:127.0.0.1:${echoPort}`)
    const since = performance.now()
    await until('it would have been closed three times', () => performance.now() - since > 1_000)
    expect(await exchange(port, 'open')).toBe('open')
    await order('cancel', '-L', `${port}:127.0.0.1:${echoPort}`)
    await until('it is closed now', () => pool.getStats().totalConnections === 0)
  })

  it('-O exit ends them, those who are connected included', async () => {
    const port = await freePort()
    await order('forward', '-L', `${port}:127.0.0.1:${echoPort}`)
    const chosen = Number(await order('forward', '-R', `0:127.0.0.1:${echoPort}`))
    const clients = [await held(port), await held(chosen)]
    const cut = Promise.all(clients.map((client) => once(client, 'close')))
    expect((await sshThrough(path, ['-O', 'exit', 'host'])).code).toBe(0)
    await cut
    await Promise.all([port, chosen].map(nobodyListens))
    // The program's own commands go on, on the same connection.
    expect((await pool.exec(target(), 'echo on')).stdout).toBe('on\n')
    expect(await connections()).toBe(before)
  })

  it('-O stop leaves them', async () => {
    const port = await freePort()
    await order('forward', '-L', `${port}:127.0.0.1:${echoPort}`)
    expect((await sshThrough(path, ['-O', 'stop', 'host'])).code).toBe(0)
    await until('the socket is gone', () => !existsSync(path))
    expect(await exchange(port, 'on')).toBe('on')
  })

  it.each(['dispose', 'closeAll', 'drain'] as const)('%s ends them while they run', async (how) => {
    const port = await freePort()
    await order('forward', '-L', `${port}:127.0.0.1:${echoPort}`)
    const chosen = Number(await order('forward', '-R', `0:127.0.0.1:${echoPort}`))
    const clients = [await held(port), await held(chosen)]
    const visitor = spawnThrough(path, ['-W', `127.0.0.1:${echoPort}`, 'host'])
    visitor.stdin.write('x')
    await once(visitor.stdout, 'data')
    const ended = Promise.all([...clients.map((client) => once(client, 'close')), once(visitor, 'close')])
    await pool[how]()
    await ended
    await Promise.all([port, chosen].map(nobodyListens))
    expect(existsSync(path)).toBe(false)
  })

  it('the server dies: they end', async () => {
    await pool.dispose()
    pool = new SSHConnectionPool()
    await serving({ poolConfig: { reconnect: { enabled: false } } })
    const port = await freePort()
    await order('forward', '-L', `${port}:127.0.0.1:${echoPort}`)
    const client = await held(port)
    const cut = once(client, 'close')
    server.killConnections()
    await cut
    await until('the socket is gone', () => !existsSync(path))
    await expect(exchange(port, 'x')).rejects.toThrow()
  })
})

describe('ssh with forwards, and a command, through our master', () => {
  it.each(['-L', '-R'] as const)('%s of a session that visits', async (flag) => {
    const port = await freePort()
    const visitor = spawnThrough(path, [flag, `${port}:127.0.0.1:${echoPort}`, 'host', 'echo ready; cat'])
    expect(String((await once(visitor.stdout, 'data'))[0])).toBe('ready\n')
    expect(await exchange(port, 'beside a command')).toBe('beside a command')
    visitor.stdin.end()
    expect((await once(visitor, 'close'))[0]).toBe(0)
    // As with OpenSSH's own master, it is the connection's and not the visitor's.
    expect(await exchange(port, 'after it')).toBe('after it')
    await unharmed()
  })
})
