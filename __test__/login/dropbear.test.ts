import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { authorizeForAccount } from '../support/account-keys'
import { SshAgent } from '../support/agent'
import { Dropbear } from '../support/dropbear'
import { failureOf } from '../support/failure'
import { type KeyPair, generateKey } from '../support/keys'
import { SSHConnectionPool, type SSHTarget } from '../support/native'
import { TEST_PASSWORD } from '../support/openssh'
import { until } from '../support/wait'

const TYPES = ['ed25519', 'rsa', 'ecdsa'] as const

let directory: string
let keys: Record<(typeof TYPES)[number], KeyPair>
let stranger: KeyPair
let server: Dropbear
let takeBack: () => void
let pool: SSHConnectionPool

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'xec-dropbear-login-'))
  const make = (type: (typeof TYPES)[number]): KeyPair => generateKey(directory, type, { type })
  keys = { ed25519: make('ed25519'), rsa: make('rsa'), ecdsa: make('ecdsa') }
  stranger = generateKey(directory, 'stranger')
  takeBack = authorizeForAccount(Object.values(keys).map((key) => key.publicKey))
  server = await Dropbear.start('127.0.0.1')
  pool = new SSHConnectionPool()
})

afterEach(async () => { await pool.closeAll() })

afterAll(async () => {
  await pool.dispose()
  await server.stop()
  takeBack()
  rmSync(directory, { recursive: true, force: true })
})

const target = (extra: Partial<SSHTarget>, to = server): SSHTarget =>
  to.target({ password: undefined, ...extra })

const greeting = async (extra: Partial<SSHTarget>, to = server): Promise<string> =>
  (await pool.exec(target(extra, to), 'echo in')).stdout

describe('logins at dropbear', () => {
  it.each(TYPES)('with an %s key', async (type) => {
    expect(await greeting({ privateKey: keys[type].path })).toBe('in\n')
  })

  it.each(TYPES)('with an agent that holds an %s key', async (type) => {
    const agent = await SshAgent.start(stranger.path, keys[type].path)
    expect(await greeting({ agent: agent.socket })).toBe('in\n')
    await agent.stop()
  })

  it('with a password, also after a key that is refused', async () => {
    expect(await greeting({ password: TEST_PASSWORD })).toBe('in\n')
    await pool.closeAll()
    expect(await greeting({ privateKey: stranger.path, password: TEST_PASSWORD })).toBe('in\n')
  })

  it('a wrong password is tried once', async () => {
    const before = server.log.length
    expect(await failureOf(pool.exec(target({ password: 'wrong' }), 'true'))).toMatchObject({ code: 'EAUTH', kind: 'authentication' })
    const attempts = (): number => server.log.slice(before).match(/Bad password attempt/g)?.length ?? 0
    await until('the server tells of the attempt', () => attempts() > 0)
    await failureOf(pool.exec(target({ password: 'wrong' }), 'true'))
    // Had there been two of the first one, they would have come before this one.
    await until('the server tells of the next attempt', () => attempts() >= 2)
    expect(attempts()).toBe(2)
  })

  it('with two factors', async () => {
    const strict = await Dropbear.start('127.0.0.1', '-t')
    expect(await greeting({ privateKey: keys.ed25519.path, password: TEST_PASSWORD }, strict)).toBe('in\n')
    const error = await failureOf(pool.exec(target({ privateKey: keys.ecdsa.path }, strict), 'true'))
    expect(error).toMatchObject({ code: 'EAUTH' })
    expect(error.message).toMatch(/the server accepts password$/)
    await pool.closeAll()
    await strict.stop()
  })

  it('a server that allows one attempt refuses, it does not get lost', async () => {
    const strict = await Dropbear.start('127.0.0.1', '-T', '1')
    const error = await failureOf(pool.exec(target({ privateKey: stranger.path }, strict), 'true'))
    expect(error).toMatchObject({ code: 'EAUTH', kind: 'authentication' })
    await strict.stop()
  })
})
