import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { Folders } from '../support/files'
import { SSHConnectionPool, type SSHTarget } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { until } from '../support/wait'

let server: OpenSSHServer
let pool: SSHConnectionPool
let folders: Folders

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })
beforeEach(() => { pool = new SSHConnectionPool(); folders = new Folders() })
afterEach(async () => { await pool.dispose(); folders.remove() })

/** A stream that says something, and then nothing any more. */
function endless(first = ''): PassThrough {
  const stream = new PassThrough()
  if (first !== '') stream.write(first)
  return stream
}

describe('a stdin stream', () => {
  it('reaches the command as it comes', async () => {
    const source = endless('one\n')
    const path = folders.there('seen')
    const running = pool.exec(server.target(), `read line; echo "$line" >${path}; cat`, { stdin: source })
    await until('the command has seen the beginning', () => existsSync(path))
    source.end('two\n')
    expect(await running).toMatchObject({ stdout: 'two\n', exitCode: 0 })
  })

  it('needs no end when the command reads no more, and is destroyed then', async () => {
    const source = Readable.from((function* () { for (;;) yield Buffer.alloc(65_536, 0x61) })())
    const { stdout } = await pool.exec(server.target(), 'head -c 3', { stdin: source })
    expect(stdout).toBe('aaa')
    expect(source.destroyed).toBe(true)
    const silent = endless()
    expect(await pool.exec(server.target(), 'echo done', { stdin: silent })).toMatchObject({ stdout: 'done\n' })
    expect(silent.destroyed).toBe(true)
  })

  it('without an end is cut short by the timeout', async () => {
    const source = endless('half')
    const error = await failureOf(pool.exec(server.target(), 'exec cat', { stdin: source, timeout: 500 }))
    expect(error).toMatchObject({ code: 'ETIMEDOUT', phase: 'run', reached: true, limit: 500, stdout: 'half' })
    expect(source.destroyed).toBe(true)
    await server.runs('cat', 0)
  })

  it('without an end is cut short by the signal', async () => {
    const controller = new AbortController()
    const running = pool.exec(server.target(), 'exec cat', { stdin: endless(), signal: controller.signal })
    await server.runs('cat')
    controller.abort('enough')
    expect(await failureOf(running)).toMatchObject({ code: 'ABORT_ERR', cause: 'enough' })
    await server.runs('cat', 0)
  })

  it.each<[string, () => Readable, object]>([
    ['fails', () => new Readable({ read() { this.destroy(new Error('disk on fire')) } }), { cause: { message: 'disk on fire' } }],
    ['is destroyed', () => new PassThrough().destroy(), {}],
    ['gives what is no text', () => Readable.from([{}]), { cause: { name: 'TypeError' } }],
  ])('that %s ends the command', async (_how, stdin, details) => {
    expect(await failureOf(pool.exec(server.target(), 'exec cat', { stdin: stdin() }))).toMatchObject({ code: 'ESTDIN', ...details })
    expect(await failureOf(pool.spawn(server.target(), 'exec cat', { stdin: stdin() }).done)).toMatchObject({ code: 'ESTDIN', ...details })
    await server.runs('cat', 0)
  })

  it('that has failed already starts nothing', async () => {
    const broken = new PassThrough()
    broken.destroy(new Error('disk on fire'))
    await once(broken, 'error')
    const error = await failureOf(pool.exec(server.target(), 'cat', { stdin: broken }))
    expect(error).toMatchObject({ code: 'ESTDIN', reached: false })
    expect(pool.getStats().totalConnections).toBe(0)
  })

  it('for many targets is read within the timeout and until the signal', async () => {
    const targets = [server.target(), server.target()]
    const late = await pool.execAll(targets, 'cat', { stdin: endless(), timeout: 100 })
    for (const { error } of late.outcomes) expect(error).toMatchObject({ code: 'ETIMEDOUT', phase: 'queue', reached: false, limit: 100 })
    const aborted = await pool.execAll(targets, 'cat', { stdin: endless(), signal: AbortSignal.timeout(100) })
    expect(aborted.aborted).toBe(2)
  })

  it('on a lease and in a warm shell as well', async () => {
    await using lease = await pool.getConnection(server.target())
    expect(await lease.exec('cat', { stdin: Readable.from(['a', 'b']) })).toMatchObject({ stdout: 'ab' })
    expect(await pool.exec(server.target(), 'cat', { stdin: Readable.from(['c']), shell: 'persistent' })).toMatchObject({ stdout: 'c' })
  })
})

describe('reading the configuration', () => {
  /** A target whose configuration takes as long as it likes. */
  function slow(): SSHTarget {
    const sshConfig = folders.write('config', 'Match exec "sleep 8"\n  User nobody\n')
    return server.target({ sshConfig, sshConfigExec: true })
  }

  const calls: [string, (target: SSHTarget, options: { timeout?: number; signal?: AbortSignal }) => Promise<unknown>][] = [
    ['exec', (target, options) => pool.exec(target, 'true', options)],
    ['spawn', (target, options) => pool.spawn(target, 'true', options).done],
    ['session', (target, options) => pool.session(target, options)],
    ['getConnection', (target, options) => pool.getConnection(target, options)],
    ['sftp', (target, options) => pool.sftp(target, options)],
  ]

  it.each(calls)('%s: the timeout and the signal cover it', async (_name, call) => {
    const target = slow()
    expect(await failureOf(call(target, { timeout: 200 }))).toMatchObject({ code: 'ETIMEDOUT', phase: 'dial', reached: false, limit: 200 })
    expect(await failureOf(call(target, { signal: AbortSignal.timeout(200) }))).toMatchObject({ code: 'ABORT_ERR', reached: false })
  })

  it('its time is part of the command\'s', async () => {
    const sshConfig = folders.write('config', 'Match exec "sleep 0.3"\n  ServerAliveCountMax 2\n')
    const target = server.target({ sshConfig, sshConfigExec: true })
    expect((await pool.exec(target, 'true')).duration).toBeGreaterThanOrEqual(300)
    expect(await failureOf(pool.exec(target, 'exec sleep 300', { timeout: 1_000 }))).toMatchObject({ code: 'ETIMEDOUT', phase: 'run', limit: 1_000 })
  })
})

describe('a FIFO that nobody writes into', () => {
  const fifo = (): string => {
    const path = folders.here('fifo')
    execFileSync('mkfifo', [path])
    return path
  }

  it.each<[string, (path: string) => Partial<SSHTarget>, object]>([
    ['as configuration', (sshConfig) => ({ sshConfig }), { code: 'ESSHCONFIG' }],
    ['as private key', (privateKey) => ({ privateKey }), { code: 'EKEYFILE' }],
    ['as certificate', (certificate) => ({ certificate }), { code: 'ECERTIFICATE' }],
    ['as known_hosts', (knownHostsPath) => ({ knownHostsPath }), { code: 'EKNOWNHOSTS' }],
  ])('%s is refused', async (_what, extra, error) => {
    expect(await failureOf(pool.exec(server.target(extra(fifo())), 'true'))).toMatchObject(error)
  })

  it('as one key of several in a configuration is passed over', async () => {
    const { privateKey } = server.target()
    const sshConfig = join(folders.local, 'config')
    writeFileSync(sshConfig, `IdentityFile ${fifo()}\nIdentityFile ${server.userKey.path}\n`)
    const target: SSHTarget = { ...server.target({ sshConfig }), privateKey: undefined }
    expect(privateKey).toBeDefined()
    expect(await pool.exec(target, 'echo in')).toMatchObject({ stdout: 'in\n' })
  })
})
