import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { SshAgent } from '../support/agent'
import { attemptsSince } from '../support/attempts'
import { failureOf, visible } from '../support/failure'
import { type KeyPair, generateKey } from '../support/keys'
import { SSHConnectionPool, type SSHTarget } from '../support/native'
import { OpenSSHServer, TEST_PASSWORD } from '../support/openssh'

let directory: string
let strangers: KeyPair[]
let agent: SshAgent
let pool: SSHConnectionPool
const servers: OpenSSHServer[] = []

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'xec-order-'))
  strangers = Array.from({ length: 8 }, (_, index) => generateKey(directory, `stranger${index}`))
  agent = await SshAgent.start(...strangers.map((key) => key.path))
  pool = new SSHConnectionPool()
})

afterEach(async () => {
  await pool.closeAll()
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

afterAll(async () => {
  await pool.dispose()
  await agent.stop()
  rmSync(directory, { recursive: true, force: true })
})

async function serverWith(...config: string[]): Promise<OpenSSHServer> {
  const server = await OpenSSHServer.start({ config })
  servers.push(server)
  return server
}

/** `Failed publickey`, `Accepted password` and so on, in the log's order. */
async function login(server: OpenSSHServer, extra: Partial<SSHTarget>): Promise<string[]> {
  const mark = server.log.length
  await pool.exec(server.target({ privateKey: undefined, ...extra }), 'true')
  return words(server, mark)
}

async function refused(server: OpenSSHServer, extra: Partial<SSHTarget>): Promise<{ error: Error & { code: string }, attempts: string[] }> {
  const mark = server.log.length
  const error = await failureOf(pool.exec(server.target({ privateKey: undefined, ...extra }), 'true'))
  return { error, attempts: await words(server, mark) }
}

const words = async (server: OpenSSHServer, mark: number): Promise<string[]> =>
  (await attemptsSince(server, mark)).map((line) => line.split(' ').slice(0, 2).join(' '))

const repeat = (line: string, count: number): string[] => Array.from({ length: count }, () => line)

describe('several methods', () => {
  it('keys, then questions, then the password', async () => {
    const server = await serverWith('KbdInteractiveAuthentication yes')
    const keyboardInteractive = (): string[] => ['wrong']
    expect(await login(server, { privateKey: strangers[0]?.path, keyboardInteractive, password: TEST_PASSWORD }))
      .toEqual(['Failed publickey', 'Failed keyboard-interactive/pam', 'Accepted password'])
  })

  it('only the given kinds: a password alone offers no key', async () => {
    const server = await serverWith()
    expect(await login(server, { password: TEST_PASSWORD })).toEqual(['Accepted password'])
    expect((await refused(server, { password: 'wrong' })).attempts).toEqual(['Failed password'])
  })
})

describe('two factors', () => {
  it.each([
    ['publickey,password', ['Partial publickey', 'Accepted password']],
    ['password,publickey', ['Failed publickey', 'Partial password', 'Accepted publickey']],
    ['publickey,keyboard-interactive', ['Partial publickey', 'Accepted keyboard-interactive/pam']],
    ['publickey,keyboard-interactive:pam,password', ['Partial publickey', 'Partial keyboard-interactive/pam', 'Accepted password']],
  ])('AuthenticationMethods %s', async (methods, expected) => {
    const server = await serverWith(`AuthenticationMethods ${methods}`, `KbdInteractiveAuthentication ${methods.includes('keyboard') ? 'yes' : 'no'}`)
    const all = { privateKey: server.userKey.path, password: TEST_PASSWORD, keyboardInteractive: () => [TEST_PASSWORD] }
    const attempts = await login(server, all)
    // A method that is not wanted yet is refused unseen, for some of them without a line.
    expect(attempts.filter((line) => !line.startsWith('Failed'))).toEqual(expected.filter((line) => !line.startsWith('Failed')))
  })

  it('two different keys', async () => {
    const second = generateKey(directory, 'second')
    const server = await OpenSSHServer.start({ config: ['AuthenticationMethods publickey,publickey'], authorized: [second.publicKey] })
    servers.push(server)
    const own = await SshAgent.start(second.path)
    expect(await login(server, { agent: own.socket, privateKey: server.userKey.path })).toEqual(['Partial publickey', 'Accepted publickey'])
    await own.stop()
  })

  it('the first factor alone is refused, and the error says what is still wanted', async () => {
    const server = await serverWith('AuthenticationMethods publickey,password')
    const { error, attempts } = await refused(server, { privateKey: server.userKey.path })
    expect(error).toMatchObject({ code: 'EAUTH', kind: 'authentication', reached: false })
    expect(error.message).toMatch(/tried publickey \(.*\); the server accepts password/)
    expect(attempts).toEqual(['Partial publickey'])
  })

  it('a wrong second factor is tried once', async () => {
    const server = await serverWith('AuthenticationMethods publickey,password')
    const { attempts } = await refused(server, { privateKey: server.userKey.path, password: 'wrong' })
    expect(attempts).toEqual(['Partial publickey', 'Failed password'])
  })
})

describe('attempts are few', () => {
  it('five keys of eight, and the error names them by fingerprint and comment', async () => {
    const server = await serverWith()
    const { error, attempts } = await refused(server, { agent: agent.socket })
    expect(attempts).toEqual(repeat('Failed publickey', 5))
    expect(error.code).toBe('EAUTH')
    for (const [index, key] of strangers.entries()) {
      const fingerprint = agent.run('ssh-keygen', '-l', '-f', `${key.path}.pub`).split(' ')[1] ?? 'none'
      expect(error.message.includes(`${fingerprint} stranger${index} (agent)`)).toBe(index < 5)
    }
    expect(error.message).toContain('not 3 more keys')
    // We left by ourselves.
    expect(server.log).not.toContain('Too many authentication failures')
  })

  it('an agent full of keys leaves room for the named key and the password', async () => {
    const server = await serverWith()
    expect(await login(server, { agent: agent.socket, privateKey: server.userKey.path }))
      .toEqual([...repeat('Failed publickey', 4), 'Accepted publickey'])
    await pool.closeAll()
    expect(await login(server, { agent: agent.socket, password: TEST_PASSWORD }))
      .toEqual([...repeat('Failed publickey', 4), 'Accepted password'])
  })

  it('a server that allows fewer ends the connection: that is a refused login, not a lost connection', async () => {
    const server = await serverWith('MaxAuthTries 2')
    const { error, attempts } = await refused(server, { agent: agent.socket })
    expect(error).toMatchObject({ code: 'EAUTH', kind: 'authentication', reached: false })
    expect(error.message).toMatch(/no more attempts$/)
    expect(visible(error)).toContain('Too many authentication failures')
    expect(attempts).toEqual(repeat('Failed publickey', 2))
  })

  it('also where it allows one', async () => {
    const server = await serverWith('MaxAuthTries 1')
    const { error, attempts } = await refused(server, { privateKey: strangers[0]?.path })
    expect(error).toMatchObject({ code: 'EAUTH', kind: 'authentication' })
    expect(attempts).toEqual(['Failed publickey'])
  })

  it('a refused login is not tried again, also where a connection has been before and reconnecting is on', async () => {
    const server = await serverWith('MaxAuthTries 2')
    const reconnect = { maxRetries: 3, initialDelay: 1, maxDelay: 1 }
    const before = await server.counted(/^Connection from/)
    await refused(server, { agent: agent.socket, poolConfig: { reconnect } })
    expect(await server.counted(/^Connection from/)).toBe(before + 1)
  })
})

describe('secrets', () => {
  it('are in no error, event, statistic or connection', async () => {
    const secrets = ['s3cret-password', 's3cret-passphrase', 's3cret-answer']
    const [password, passphrase, answer] = secrets as [string, string, string]
    const key = generateKey(directory, 'locked', { passphrase })
    const server = await serverWith('KbdInteractiveAuthentication yes')
    const own = new SSHConnectionPool()
    const seen: string[] = []
    const note = (...args: unknown[]): void => { seen.push(...args.map((value) => `${visible(value)}${JSON.stringify(value)}`)) }
    own.on('queue', note).on('connection:failed', note).on('connection:created', note).on('connection:closed', note)
    const target = server.target({ privateKey: key.path, passphrase, password, keyboardInteractive: () => [answer] })
    const error = await failureOf(own.exec(target, 'true'))
    expect(error.message).toMatch(/publickey .*keyboard-interactive, password/)
    seen.push(visible(error), JSON.stringify(own.getStats()), JSON.stringify(own.getConnections()), JSON.stringify(own.getMetrics()), server.log)
    expect(seen.length).toBeGreaterThan(5)
    for (const secret of [...secrets, key.privateKey.split('\n')[1]]) expect(seen.join('\n')).not.toContain(secret)
    await own.exec({ ...target, keyboardInteractive: () => [TEST_PASSWORD] }, 'true')
    seen.push(JSON.stringify(own.getConnections()))
    await own.dispose()
    expect(seen.length).toBeGreaterThan(10)
    for (const secret of [...secrets, TEST_PASSWORD]) expect(seen.join('\n')).not.toContain(secret)
  })
})
