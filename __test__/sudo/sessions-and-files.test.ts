import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { failureOf, visible } from '../support/failure'
import { SSHConnectionPool, type SSHTarget } from '../support/native'
import { OpenSSHServer, TEST_PASSWORD } from '../support/openssh'
import { until } from '../support/wait'
import { ASKED, METHODS, ODD, ODD_PASSWORD, OUTSIDER, TRUSTED, as, asked, mentions } from './accounts'

let server: OpenSSHServer
let pool: SSHConnectionPool

const temporary = mkdtempSync(join(tmpdir(), 'xec-sudo-test-'))
chmodSync(temporary, 0o1777)
/** Files that are root's alone, on either side. */
const vault = mkdtempSync(join(tmpdir(), 'xec-sudo-vault-'))
const nap = `4714.${process.pid}`

beforeAll(async () => { server = await OpenSSHServer.start({ config: [`SetEnv TMPDIR=${temporary}`] }) })
afterAll(async () => {
  await server.stop()
  for (const directory of [temporary, vault]) rmSync(directory, { recursive: true, force: true })
})
beforeEach(() => { pool = new SSHConnectionPool() })
afterEach(async () => { await pool.dispose() })

const litter = (): string[] => readdirSync(temporary)

const WAYS = [
  ['askpass', ASKED, { password: TEST_PASSWORD, passwordMethod: 'askpass' }],
  ['stdin', ASKED, { password: TEST_PASSWORD, passwordMethod: 'stdin' }],
  ['askpass, for an odd password', ODD, { password: ODD_PASSWORD, passwordMethod: 'askpass' }],
  ['stdin, for an odd password', ODD, { password: ODD_PASSWORD, passwordMethod: 'stdin' }],
  ['no password', TRUSTED, {}],
] as const

describe.each(WAYS)('with sudo by %s', (_way, username, options) => {
  const target = (user?: string): SSHTarget => as(server, username, { ...options, ...(user === undefined ? {} : { user }) })

  it('a session keeps what its commands do, as somebody else', async () => {
    const session = await pool.session(target(), { cwd: vault, env: { WORD: 'it\'s' } })
    expect((await session.execute('id -un; pwd; echo $WORD; echo $HOME; cd /; WORD=two')).stdout).toBe(`root\n${vault}\nit's\n/root\n`)
    expect(await session.execute('pwd; echo $WORD; echo problem >&2; (exit 3)')).toMatchObject({ stdout: '/\ntwo\n', stderr: 'problem\n', exitCode: 3 })
    await session.close()
    await until('its channel is free', () => pool.getStats().activeChannels === 0)
    await until('its directory is gone', () => litter().length === 0)
    await using other = await pool.session(target('xectest'))
    expect((await other.execute('id -un; echo $HOME')).stdout).toBe('xectest\n/home/xectest\n')
  })

  it('files that the login user may not touch go up and down', async () => {
    const data = randomBytes(3 * 1024 * 1024)
    writeFileSync(join(temporary, 'here'), data)
    const sftp = await pool.sftp(target())
    await sftp.upload(join(temporary, 'here'), join(vault, 'there'))
    await sftp.download(join(vault, 'there'), join(temporary, 'back'))
    expect(readFileSync(join(temporary, 'back')).equals(data)).toBe(true)
    expect(statSync(join(vault, 'there')).uid).toBe(0)
    expect(await failureOf(sftp.stat(join(vault, 'missing')))).toMatchObject({ code: 'ENOENT' })
    await sftp.close()
    for (const name of ['here', 'back']) rmSync(join(temporary, name))
    await until('its directory is gone', () => litter().length === 0)
    await until('its channel is free', () => pool.getStats().activeChannels === 0)
  })
})

describe('a session with sudo', () => {
  it('a timeout ends it and what it runs', async () => {
    const session = await pool.session(asked(server))
    expect(await failureOf(session.execute(`sleep ${nap} & sleep ${nap}`, { timeout: 500 }))).toMatchObject({ code: 'ETIMEDOUT' })
    expect(session.closed).toBe(true)
    await until('no process is left', () => mentions(nap).length === 0)
    await until('its directory is gone', () => litter().length === 0)
  })

  it('exit is its own, and known', async () => {
    const session = await pool.session(asked(server))
    expect(await session.execute('exit 5')).toMatchObject({ exitCode: 5 })
    expect(session.closed).toBe(true)
  })

  it('a directory it cannot enter', async () => {
    expect(await failureOf(pool.session(asked(server, { user: 'xectest' }), { cwd: vault }))).toMatchObject({ code: 'EINVAL_OPTION' })
  })
})

const ROOMS = [
  ['sessions', (target: SSHTarget) => pool.session(target)],
  ['files', (target: SSHTarget) => pool.sftp(target)],
] as const

describe.each(ROOMS)('%s: refused', (_name, open) => {
  it.each(METHODS)('a wrong password, by %s', async (passwordMethod) => {
    const error = await failureOf(open(asked(server, { password: 'wrong-Password-1', passwordMethod })))
    expect(error).toMatchObject({ code: 'ESUDO', kind: 'authentication' })
    expect(error.message).toMatch(/1 incorrect password attempt\)/)
    expect(visible(error)).not.toContain('wrong-Password-1')
    await until('its channel is free', () => pool.getStats().activeChannels === 0)
  })

  it('an account that may not', async () => {
    expect(await failureOf(open(as(server, OUTSIDER, { password: TEST_PASSWORD })))).toMatchObject({ code: 'ESUDO' })
  })

  it('no sudo on the server', async () => {
    const bare = await OpenSSHServer.start({ config: ['SetEnv PATH=/nowhere'] })
    const error = await failureOf(open(asked(bare)))
    expect(error).toMatchObject({ code: 'ESUDO', message: expect.stringMatching(/no sudo/) as string })
    await bare.stop()
  })

  it.each(METHODS)('the password, by %s, is in no process list', async (passwordMethod) => {
    const seen = new Set<string>()
    let opened = false
    const opening = open(as(server, ODD, { password: ODD_PASSWORD, passwordMethod })).then((room) => {
      opened = true
      return room
    })
    await until('it is open', () => {
      for (const place of mentions(ODD_PASSWORD)) seen.add(place)
      return opened
    })
    for (const place of mentions(ODD_PASSWORD)) seen.add(place)
    await (await opening).close()
    expect([...seen]).toEqual([])
    expect(server.log).not.toContain(ODD_PASSWORD)
  })
})
