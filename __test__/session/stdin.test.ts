import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { PassThrough, Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { SSHConnectionPool, type SSHTarget } from '../../index.mjs'
import { Dropbear } from '../support/dropbear'
import { failureOf } from '../support/failure'
import { Folders } from '../support/files'
import { OpenSSHServer, TEST_PASSWORD, TEST_USER } from '../support/openssh'
import { until } from '../support/wait'
import { SUITED, account } from './accounts'

let server: OpenSSHServer
let pool: SSHConnectionPool
let folders: Folders
beforeAll(async () => {
  server = await OpenSSHServer.start()
  pool = new SSHConnectionPool()
})
afterAll(async () => {
  await pool.dispose()
  await server.stop()
})
beforeEach(() => { folders = new Folders() })
afterEach(() => { folders.remove() })

const at = (shell: string): SSHTarget => server.target({ username: account(shell) })

/** FIFOs of ours in /tmp. */
const fifos = (): string[] => readdirSync('/tmp').filter((name) => /^xec-[0-9a-f]{32}$/.test(name) && (statSync(`/tmp/${name}`, { throwIfNoEntry: false })?.isFIFO() ?? false))

async function nothingIsLeft(own = pool): Promise<void> {
  await server.runs('cat', 0)
  await until('no FIFO is left', () => fifos().length === 0)
  await until('only the session is in use', () => own.getStats().activeChannels <= 1)
}

describe.each(SUITED)('login shell %s', (shell) => {
  test('the command reads it, in the shell itself', async () => {
    await using session = await pool.session(at(shell))
    await session.execute('cd /usr; read -r WORD; read -r NEXT; export WORD NEXT', { stdin: 'one\ntwo\nthree\n' })
    expect(await session.execute('echo "$WORD $NEXT $PWD"; cat')).toMatchObject({ stdout: 'one two /usr\n' })
    expect(await session.execute('cat; exit_code() { return 7; }; exit_code', { stdin: Readable.from(['a', 'b']) })).toMatchObject({ stdout: 'ab', exitCode: 7 })
    expect(await session.execute('cat', { stdin: '' })).toMatchObject({ stdout: '', exitCode: 0 })
    await nothingIsLeft()
  })

  test('whatever is in it', async () => {
    await using session = await pool.session(at(shell))
    const bytes = Buffer.concat([Buffer.from('\0\x01\nEOF\n\'"$(exit 9)\n; exit 8\n'), randomBytes(3_000_000)])
    const echoed = await session.execute('cat', { stdin: bytes, encoding: 'buffer' })
    expect(echoed.stdout.equals(bytes)).toBe(true)
    expect(await session.execute('echo next; cat')).toMatchObject({ stdout: 'next\n' })
  })

  test('a command that reads none or some of it holds up nothing', async () => {
    await using session = await pool.session(at(shell))
    const much = Buffer.alloc(4_000_000, 0x61)
    expect(await session.execute('true', { stdin: much })).toMatchObject({ exitCode: 0 })
    expect(await session.execute('head -c 3', { stdin: much })).toMatchObject({ stdout: 'aaa' })
    expect(await session.execute('head -c 2', { stdin: Readable.from((function* () { for (;;) yield much })()) })).toMatchObject({ stdout: 'aa' })
    expect(await session.execute('sleep 300 & echo $!', { stdin: much })).toMatchObject({ exitCode: 0 })
    expect(await session.execute('kill $!; echo next')).toMatchObject({ stdout: 'next\n' })
    await nothingIsLeft()
  })

  test('exit with it ends the session, and its status is known', async () => {
    const session = await pool.session(at(shell))
    expect(await session.execute('read -r word; echo "$word"; exit 3', { stdin: 'last\n' })).toMatchObject({ stdout: 'last\n', exitCode: 3 })
    expect(session.closed).toBe(true)
    await nothingIsLeft()
  })
})

test('a stream reaches the command as it comes', async () => {
  await using session = await pool.session(server.target())
  const source = new PassThrough()
  source.write('one\n')
  const path = folders.there('seen')
  const running = session.execute(`read line; echo "$line" >${path}; cat`, { stdin: source })
  await until('the command has seen the beginning', () => existsSync(path))
  source.end('two\n')
  expect(await running).toMatchObject({ stdout: 'two\n' })
})

test('a stream without an end, and one that fails, end command and session', async () => {
  const late = await pool.session(server.target())
  expect(await failureOf(late.execute('cat', { stdin: new PassThrough(), timeout: 500 }))).toMatchObject({ code: 'ETIMEDOUT', phase: 'run', limit: 500 })
  expect(late.closed).toBe(true)
  const broken = await pool.session(server.target())
  const source = new PassThrough()
  const running = failureOf(broken.execute('cat', { stdin: source }))
  await server.runs('cat', 2)
  source.destroy(new Error('disk on fire'))
  expect(await running).toMatchObject({ code: 'ESTDIN', cause: { message: 'disk on fire' } })
  await nothingIsLeft()
})

test('where there is no channel for it, the command does not begin and the session lives', async () => {
  await using tight = new SSHConnectionPool({ maxConnections: 1, channelsPerConnection: 1 })
  await using session = await tight.session(server.target())
  const path = folders.there('ran')
  const error = await failureOf(session.execute(`touch ${path}`, { stdin: 'x', timeout: 400 }))
  expect(error).toMatchObject({ code: 'ETIMEDOUT', phase: 'queue', reached: false })
  expect(await session.execute('echo alive')).toMatchObject({ stdout: 'alive\n' })
  expect(existsSync(path)).toBe(false)
})

test('dropbear', async () => {
  const dropbear = await Dropbear.start('127.0.0.1')
  await using own = new SSHConnectionPool()
  try {
    await using session = await own.session({ host: '127.0.0.1', port: dropbear.port, username: TEST_USER, password: TEST_PASSWORD, knownHostsPath: dropbear.knownHosts })
    expect(await session.execute('read -r WORD; cat', { stdin: 'one\ntwo\n' })).toMatchObject({ stdout: 'two\n' })
    expect(await session.execute('echo $WORD')).toMatchObject({ stdout: 'one\n' })
    expect(await session.execute('true', { stdin: Buffer.alloc(2_000_000) })).toMatchObject({ exitCode: 0 })
    expect(await session.execute('echo next')).toMatchObject({ stdout: 'next\n' })
  } finally {
    await own.dispose()
    await dropbear.stop()
  }
})
