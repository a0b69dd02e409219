import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SSHTarget } from '../../index.mjs'
import { spawnThrough, sshArguments, sshThrough } from '../support/control-master'
import { SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { freePort } from '../support/ports'
import { listen } from '../support/sockets'
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
  await pool.exec(target(), 'true')
  await until('the control socket is there', () => existsSync(path))
  before = await connections()
})

afterEach(async () => {
  await pool.dispose()
  rmSync(directory, { recursive: true, force: true })
})

const target = (): SSHTarget => server.target({ controlMaster: true, controlPath: path, controlPersist: '10m' })
const connections = (): Promise<number> => server.counted(/^Connection from /)

/** It all went over the one connection, which is well. */
async function unharmed(): Promise<void> {
  expect((await sshThrough(path, ['host', 'echo well'])).stdout.toString()).toBe('well\n')
  expect(await connections()).toBe(before)
}

const bytes = (size: number): Buffer => {
  const data = Buffer.alloc(size)
  for (let i = 0; i + 4 <= size; i += 4096) data.writeUInt32LE(i, i)
  return data
}
const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex')

describe('ssh -W through our master', () => {
  it('is a connection to where it says, with its own half-closes', async () => {
    const { code, stdout, stderr } = await sshThrough(path, ['-W', `127.0.0.1:${echoPort}`, 'host'], 'round\n')
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({ code: 0, stdout: 'round\n', stderr: '' })
    await until('its place is free', () => pool.getStats().activeChannels === 0)
    await unharmed()
  })

  it('64 MiB come back whole', async () => {
    const data = bytes(64 * 1024 * 1024)
    const { code, stdout } = await sshThrough(path, ['-W', `127.0.0.1:${echoPort}`, 'host'], data)
    expect(code).toBe(0)
    expect(sha256(stdout)).toBe(sha256(data))
    await unharmed()
  }, 60_000)

  it('fifty at once, more than the server has sessions for', async () => {
    const texts = Array.from({ length: 50 }, (_, i) => `${i}:`.repeat(2_000))
    const all = await Promise.all(texts.map((text) => sshThrough(path, ['-W', `127.0.0.1:${echoPort}`, 'host'], text)))
    expect(all.map(({ code, stdout, stderr }) => `${code} ${stdout.toString()}${stderr}`)).toEqual(texts.map((text) => `0 ${text}`))
    await unharmed()
  })

  it('carries ssh itself, as for a jump host', async () => {
    const proxy = ['-o', `ProxyCommand=ssh -F none -S ${path} -W %h:%p host`]
    const inner = spawn('ssh', [...proxy, ...sshArguments(server), 'echo inside; exit 5'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const said = once(inner.stdout, 'data')
    expect((await once(inner, 'close'))[0]).toBe(5)
    expect(String((await said)[0])).toBe('inside\n')
  })

  it('what cannot be reached and what is forbidden are refused, in words', async () => {
    const closed = await sshThrough(path, ['-W', `127.0.0.1:${await freePort()}`, 'host'])
    expect(closed.code).not.toBe(0)
    expect(closed.stderr).toMatch(/server cannot connect to 127\.0\.0\.1:\d+ \(ConnectFailed\)/)
    await unharmed()
    const strict = await OpenSSHServer.start({ config: ['AllowTcpForwarding no'] })
    const there = join(directory, 'strict')
    await pool.exec(strict.target({ controlMaster: true, controlPath: there }), 'true')
    await until('the control socket is there', () => existsSync(there))
    const forbidden = await sshThrough(there, ['-W', `127.0.0.1:${echoPort}`, 'host'])
    expect(forbidden.code).not.toBe(0)
    expect(forbidden.stderr).toMatch(/server forbids forwarding to 127\.0\.0\.1:\d+/)
    await strict.stop()
  })

  it('killed, its connection ends at the other side', async () => {
    let connected: Socket | undefined
    const there = await listen((socket) => { connected = socket.resume() })
    const visitor = spawnThrough(path, ['-W', `127.0.0.1:${there.port}`, 'host'])
    visitor.stdin.write('x')
    await until('it is connected', () => connected !== undefined)
    expect(pool.getStats().activeChannels).toBe(1)
    visitor.kill('SIGKILL')
    await until('its end is there', () => connected?.readableEnded === true)
    connected?.end()
    await until('it is closed', () => connected?.closed === true)
    await until('its place is free', () => pool.getStats().activeChannels === 0)
    there.server.close()
    await unharmed()
  })

  it('one that reads nothing holds up no command for good, and has its bytes when it does', async () => {
    const size = 8 * 1024 * 1024
    const there = await listen((socket) => { socket.end(bytes(size)) })
    const visitor = spawnThrough(path, ['-W', `127.0.0.1:${there.port}`, 'host'])
    visitor.stdout.pause()
    await until('it is connected', () => pool.getStats().activeChannels === 1)
    for (let i = 0; i < 20; i++) expect((await pool.exec(target(), `echo ${i}`, { timeout: 10_000 })).stdout).toBe(`${i}\n`)
    const pieces: Buffer[] = []
    visitor.stdout.on('data', (piece: Buffer) => pieces.push(piece)).resume()
    visitor.stdin.end()
    await once(visitor, 'close')
    expect(sha256(Buffer.concat(pieces))).toBe(sha256(bytes(size)))
    there.server.close()
  })
})
