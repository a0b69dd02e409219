import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { SSHTarget } from '../../index.mjs'
import { ASKED, METHODS, mentions } from '../sudo/accounts'
import { OpenSSHMaster, sshThrough } from '../support/control-master'
import { failureOf } from '../support/failure'
import { Folders } from '../support/files'
import { SSHConnectionPool } from '../support/native'
import { OpenSSHServer, TEST_PASSWORD, TEST_USER } from '../support/openssh'
import { until } from '../support/wait'

/** What is more than one command after the other, through a running `ssh -M`. */

let server: OpenSSHServer
let directory: string
let path: string
let master: OpenSSHMaster
let pool: SSHConnectionPool
let before: number

/** A time that no other run of these tests sleeps for. */
const nap = `4712.${process.pid}`

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'xec-mux-'))
  path = join(directory, 'control')
  pool = new SSHConnectionPool()
})

afterEach(async () => {
  await pool.dispose()
  // The master has borne it, and nobody has gone round it.
  expect((await sshThrough(path, ['-O', 'check', 'host'])).code).toBe(0)
  expect(await connections()).toBe(before)
  await master.stop()
  rmSync(directory, { recursive: true })
})

const connections = (): Promise<number> => server.counted(/^Connection from /)

async function start(user = TEST_USER): Promise<void> {
  master = await OpenSSHMaster.start(server, path, user)
  before = await connections()
}

/** Nothing to log in with. */
const shared = (extra: Partial<SSHTarget> = {}): SSHTarget => {
  const { host, port, username } = server.target()
  return { host, port, username, controlPath: path, ...extra }
}

describe('sudo', () => {
  beforeEach(() => start(ASKED))

  const asked = (passwordMethod: 'askpass' | 'stdin', password = TEST_PASSWORD): SSHTarget =>
    shared({ username: ASKED, sudo: { enabled: true, password, passwordMethod } })

  it.each(METHODS)('by %s: input, both outputs, the code, and a wrong password', async (method) => {
    const result = await pool.exec(asked(method), 'id -un; cat; echo problem >&2; exit 7', { stdin: 'own input' })
    expect(result).toMatchObject({ stdout: 'root\nown input', stderr: 'problem\n', exitCode: 7 })
    expect(await failureOf(pool.exec(asked(method, 'wrong'), 'id'))).toMatchObject({ code: 'ESUDO', kind: 'authentication' })
  })

  it.each(METHODS)('by %s: an abort ends a command that writes, and the password is nowhere', async (method) => {
    const controller = new AbortController()
    const command = `while echo tick; do sleep 0.1; done # ${nap}`
    const running = failureOf(pool.exec(asked(method), command, { signal: controller.signal }))
    const seen = new Set<string>()
    await until('it runs', () => {
      for (const place of mentions(TEST_PASSWORD)) seen.add(place)
      return mentions(`sleep\x000.1`).length > 0
    })
    for (const place of mentions(TEST_PASSWORD)) seen.add(place)
    expect([...seen]).toEqual([])
    controller.abort()
    expect(await running).toMatchObject({ code: 'ABORT_ERR', reached: true })
    // The master passes on no signal; that its streams are gone is what ends it.
    await until('no process is left', () => mentions(nap).length === 0)
  })
})

describe('shells that stay', () => {
  beforeEach(() => start())

  it('a session keeps its directory and its variables, and ends', async () => {
    const session = await pool.session(shared(), { cwd: '/tmp', env: { WORD: 'first' } })
    expect((await session.execute('pwd; echo $WORD; cd /usr; WORD=second')).stdout).toBe('/tmp\nfirst\n')
    expect(await session.execute('pwd; echo $WORD; echo problem >&2; (exit 3)')).toMatchObject({ stdout: '/usr\nsecond\n', stderr: 'problem\n', exitCode: 3 })
    await session.close()
    await until('its channel is free', () => pool.getStats().activeChannels === 0)
    await server.runs('sh', 0)
  })

  it('a session\'s exit is known, and a timeout ends it', async () => {
    const leaving = await pool.session(shared())
    expect(await leaving.execute('exit 5')).toMatchObject({ exitCode: 5 })
    const slow = await pool.session(shared())
    expect(await failureOf(slow.execute('sleep 300', { timeout: 200 }))).toMatchObject({ code: 'ETIMEDOUT' })
    expect(slow.closed).toBe(true)
  })

  it('persistent commands share a shell', async () => {
    const sessions = (): Promise<number> => server.counted(/^Starting session/)
    const earlier = await sessions()
    for (let i = 0; i < 20; i++) {
      expect(await pool.exec(shared(), `echo ${i}; exit ${i}`, { shell: 'persistent' })).toMatchObject({ stdout: `${i}\n`, exitCode: i })
    }
    expect(await sessions() - earlier).toBeLessThan(6)
  })

  it('a lease runs commands on the connection it holds', async () => {
    await using lease = await pool.getConnection(shared())
    expect((await lease.exec('echo one')).stdout).toBe('one\n')
    expect(await lease.isHealthy()).toBe(true)
    expect((await Promise.all([1, 2, 3].map((i) => lease.exec(`echo ${i}`)))).map(({ stdout }) => stdout)).toEqual(['1\n', '2\n', '3\n'])
    expect(pool.getStats().totalConnections).toBe(1)
  })
})

describe('streams and files', () => {
  beforeEach(() => start())

  it('a spawned command is written to and read as it goes', async () => {
    const child = pool.spawn(shared(), 'while read line; do echo "got $line"; done; exit 4')
    const lines = child[Symbol.asyncIterator]()
    child.stdin.write('one\n')
    expect((await lines.next()).value).toBe('got one')
    child.stdin.end('two\n')
    expect((await lines.next()).value).toBe('got two')
    expect(await child.done).toMatchObject({ exitCode: 4 })
  })

  it('eight streams at once, one of which nobody reads, hold up no command', async () => {
    const unread = pool.spawn(shared(), 'exec yes')
    await server.runs('yes')
    const bytes = await Promise.all(Array.from({ length: 7 }, async () => {
      let count = 0
      for await (const piece of pool.spawn(shared(), 'head -c 3000000 /dev/zero').stdout as AsyncIterable<Buffer>) count += piece.length
      return count
    }))
    expect(bytes).toEqual(Array.from({ length: 7 }, () => 3_000_000))
    expect((await pool.exec(shared(), 'echo well')).stdout).toBe('well\n')
    await unread[Symbol.asyncDispose]()
    await server.runs('yes', 0)
  })

  it('files go up and down, and a missing one is said so', async () => {
    const folders = new Folders()
    const data = randomBytes(20 * 1024 * 1024)
    writeFileSync(folders.here('data'), data)
    await using sftp = await pool.sftp(shared())
    expect(await sftp.upload(folders.here('data'), folders.there('data'))).toMatchObject({ bytes: data.length })
    await sftp.download(folders.there('data'), folders.here('back'))
    expect(readFileSync(folders.here('back')).equals(data)).toBe(true)
    expect(await failureOf(sftp.stat(folders.there('none')))).toMatchObject({ code: 'ENOENT' })
    await sftp.close()
    folders.remove()
  })
})

describe('a server without SFTP', () => {
  it('is told from one that is lost', async () => {
    const bare = await OpenSSHServer.start({ sftp: false })
    master = await OpenSSHMaster.start(bare, path)
    const { host, port, username } = bare.target()
    expect(await failureOf(pool.sftp({ host, port, username, controlPath: path }))).toMatchObject({ code: 'ENOSFTP' })
    expect(await bare.counted(/^Connection from /)).toBe(1)
    before = await connections()
    await pool.dispose()
    expect((await sshThrough(path, ['-O', 'check', 'host'])).code).toBe(0)
    await bare.stop()
    await master.stop()
    master = await OpenSSHMaster.start(server, path)
    before = await connections()
  })
})
