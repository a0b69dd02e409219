import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, lstatSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { type Server, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { SSHTarget } from '../../index.mjs'
import { OpenSSHMaster, sshThrough } from '../support/control-master'
import { failureOf } from '../support/failure'
import { SSHConnectionPool } from '../support/native'
import { OpenSSHServer, TEST_USER } from '../support/openssh'
import { until } from '../support/wait'

let server: OpenSSHServer
let directory: string
let path: string
let master: OpenSSHMaster
let pool: SSHConnectionPool

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'xec-mux-'))
  path = join(directory, 'control')
  pool = new SSHConnectionPool()
})

afterEach(async () => {
  await pool.dispose()
  rmSync(directory, { recursive: true })
})

/** Nothing to log in with: without the master, every command would fail. */
const shared = (extra: Partial<SSHTarget> = {}): SSHTarget => {
  const { host, port, username } = server.target()
  return { host, port, username, controlPath: path, ...extra }
}

const connections = (): Promise<number> => server.counted(/^Connection from /)

describe('through a running ssh -M', () => {
  beforeEach(async () => { master = await OpenSSHMaster.start(server, path) })
  afterEach(async () => { await master.stop() })

  it('runs commands without a connection or a login of its own', async () => {
    const before = await connections()
    const result = await pool.exec(shared(), 'cat; echo problem >&2; exit 7', { stdin: 'to stdin\n' })
    expect(result).toMatchObject({ stdout: 'to stdin\n', stderr: 'problem\n', exitCode: 7, ok: false })
    expect(await pool.exec(shared({ controlMaster: 'auto' }), 'whoami')).toMatchObject({ stdout: `${TEST_USER}\n`, exitCode: 0 })
    expect(await connections()).toBe(before)
  })

  it('a command that a signal ends is no success: how it ended is unknown, because the master does not tell', async () => {
    expect(await failureOf(pool.exec(shared(), 'echo before; kill -KILL $$'))).toMatchObject({ code: 'ENOSTATUS', reached: true, stdout: 'before\n' })
    expect(await pool.exec(shared(), 'exit 255')).toMatchObject({ exitCode: 255 })
  })

  it('finds the master by a path with tokens', async () => {
    const tokens = shared({ controlPath: join(directory, '%r-%h-%p') })
    const other = await OpenSSHMaster.start(server, join(directory, `${TEST_USER}-127.0.0.1-${server.port}`))
    const before = await connections()
    expect((await pool.exec(tokens, 'echo found')).stdout).toBe('found\n')
    expect(await connections()).toBe(before)
    await other.stop()
  })

  it('fifty commands at once: those the server has no room for wait, and nobody sees it', async () => {
    const target = shared({ poolConfig: { channelsPerConnection: 50 } })
    const results = await Promise.all(Array.from({ length: 50 }, (_, i) => pool.exec(target, `sleep 0.05; echo ${i}`)))
    expect(results.map(({ stdout }) => stdout)).toEqual(Array.from({ length: 50 }, (_, i) => `${i}\n`))
    expect(await server.counted(/no more sessions/)).toBeGreaterThan(0)
    await pool.dispose()
    // OpenSSH's master would not survive a client in proxy mode that was refused something.
    expect((await sshThrough(path, ['-O', 'check', 'host'])).code).toBe(0)
  })

  it('64 MiB in each direction arrive whole', async () => {
    const data = Buffer.alloc(64 * 1024 * 1024)
    for (let i = 0; i < data.length; i += 4096) data.writeUInt32LE(i, i)
    const digest = createHash('sha256').update(data).digest('hex')
    const { stdout } = await pool.exec(shared(), 'tee /dev/stderr | sha256sum', { stdin: data, encoding: 'buffer', maxBuffer: data.length })
      .then((result) => ({ stdout: (result.stdout.toString().split(' ')[0] ?? '') + createHash('sha256').update(result.stderr).digest('hex') }))
    expect(stdout).toBe(digest + digest)
  })

  it('a command that is ended early loses its streams, and ends if it uses them', async () => {
    const error = await failureOf(pool.exec(shared(), 'exec yes', { maxBuffer: 1000 }))
    expect(error).toMatchObject({ code: 'EMAXBUFFER', phase: 'run', reached: true })
    await server.runs('yes', 0)
    const began = performance.now()
    expect(await failureOf(pool.exec(shared(), 'sleep 5; echo late', { timeout: 200 }))).toMatchObject({ code: 'ETIMEDOUT', reached: true })
    await until('its channel is free', () => pool.getStats().activeChannels === 0)
    expect(performance.now() - began).toBeLessThan(4_500)
  })

  it('a command line that fits into no packet is refused, and the connection lives on', async () => {
    expect(await failureOf(pool.exec(shared(), `: ${'x'.repeat(300_000)}`))).toMatchObject({ code: 'EEXEC' })
    expect((await pool.exec(shared(), 'echo well')).stdout).toBe('well\n')
  })

  it('a command that reads only a part of its input', async () => {
    expect(await pool.exec(shared(), 'head -c 3', { stdin: Buffer.alloc(1 << 20, 0x61) })).toMatchObject({ stdout: 'aaa', exitCode: 0 })
  })

  it('one connection is enough: another one would end at the same server connection', async () => {
    await Promise.all(Array.from({ length: 30 }, () => pool.exec(shared(), 'sleep 0.05')))
    expect(pool.getStats()).toMatchObject({ totalConnections: 1 })
    const report = await pool.warmUp([shared()], { connections: 3 })
    expect(pool.getStats()).toMatchObject({ totalConnections: 1 })
    expect(report).toMatchObject({ requested: 3 })
  })

  it('the master dies in the middle of a command: connection-lost, never an exit code', async () => {
    const running = pool.spawn(shared(), 'echo begun; sleep 300', { encoding: 'utf8' })
    running.stderr.resume()
    const lost = failureOf(running.done)
    let said = ''
    running.stdout.on('data', (text: string) => { said += text })
    await until('it has begun', () => said === 'begun\n')
    await master.kill()
    expect(await lost).toMatchObject({ code: 'ECONNLOST', kind: 'connection-lost', phase: 'run', reached: true })
    server.killConnections()
  })

  it('the master ends politely: the next command connects by itself', async () => {
    await pool.exec(shared(), 'true')
    await master.stop()
    const before = await connections()
    expect((await pool.exec({ ...server.target(), controlPath: path }, 'echo direct')).stdout).toBe('direct\n')
    expect(await connections()).toBe(before + 1)
  })

  it('health checks ask the master, and find it dead', async () => {
    const target = shared({ poolConfig: { healthCheck: { interval: 50, timeout: 1_000 } } })
    const healthy = once(pool, 'connection:healthy')
    await pool.exec(target, 'true')
    expect((await healthy)[0]).toBe('127.0.0.1')
    await master.kill()
    await until('the dead one is found', () => pool.getStats().totalConnections === 0)
  })
})

describe('what is not a master never stands in the way', () => {
  const direct = (extra: Partial<SSHTarget> = {}): SSHTarget => server.target({ controlPath: path, ...extra })

  it('nothing at all', async () => {
    expect((await pool.exec(direct(), 'echo direct')).stdout).toBe('direct\n')
    expect(existsSync(path)).toBe(false)
  })

  it('a file that is not a socket stays as it is', async () => {
    writeFileSync(path, 'precious')
    expect((await pool.exec(direct({ controlMaster: true }), 'echo direct')).stdout).toBe('direct\n')
    expect(lstatSync(path).size).toBe(8)
  })

  it('a dead socket, which stays where we only look for a master', async () => {
    const dead = await OpenSSHMaster.start(server, path)
    await dead.kill()
    expect((await pool.exec(direct(), 'echo direct')).stdout).toBe('direct\n')
    expect(lstatSync(path).isSocket()).toBe(true)
  })

  it('a master of another user, which would see our commands', async () => {
    chmodSync(directory, 0o777)
    const code = `require('net').createServer((socket) => socket.on('data', () => process.stdout.write('seen'))).listen(${JSON.stringify(path)})`
    const fake = spawn('setpriv', ['--reuid', TEST_USER, '--clear-groups', process.execPath, '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    let seen = ''
    fake.stdout.setEncoding('utf8').on('data', (text: string) => { seen += text })
    await until('it listens', () => existsSync(path))
    expect((await pool.exec(direct({ controlMaster: true }), 'echo direct')).stdout).toBe('direct\n')
    expect(seen).toBe('')
    fake.kill('SIGKILL')
    await once(fake, 'exit')
  })

  const answers: [string, (server: Server) => void][] = [
    ['says nothing', () => undefined],
    ['hangs up', (fake) => fake.on('connection', (socket) => socket.end())],
    ['sends garbage', (fake) => fake.on('connection', (socket) => socket.write(Buffer.alloc(5000, 0x41)))],
    ['announces 4 GiB', (fake) => fake.on('connection', (socket) => socket.write(Buffer.alloc(64, 0xff)))],
    ['greets with another version', (fake) => fake.on('connection', (socket) => socket.write(Buffer.from('000000080000000100000063', 'hex')))],
    ['greets and falls silent', (fake) => fake.on('connection', (socket) => socket.write(Buffer.from('000000080000000100000004', 'hex')))],
  ]

  it.each(answers)('something that %s', async (_, behave) => {
    const fake = createServer((socket) => socket.on('error', () => undefined))
    behave(fake)
    fake.listen(path)
    await once(fake, 'listening')
    const began = performance.now()
    expect((await pool.exec(direct(), 'echo direct')).stdout).toBe('direct\n')
    expect(performance.now() - began).toBeLessThan(5_000)
    fake.close()
  })
})
