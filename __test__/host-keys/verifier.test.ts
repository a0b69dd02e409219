import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { type HostKey, HostKeyMismatchError, SSHConnectionPool } from '../../index.mjs'
import { OpenSSHServer, TEST_USER } from '../support/openssh'
import { runNode } from '../support/run-script'

let server: OpenSSHServer
let pool: SSHConnectionPool

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })
beforeEach(() => { pool = new SSHConnectionPool() })
afterEach(async () => { await pool.dispose() })

const logins = (): Promise<number> => server.counted(/^Accepted /)

describe('hostKeyVerifier', () => {
  it('is shown host, port, type, fingerprint and key; true trusts, and known_hosts is left alone', async () => {
    const seen: HostKey[] = []
    const target = server.target({ hostKeyVerifier: (key) => seen.push(key) > 0, hostKeyChecking: 'strict' })
    await expect(pool.exec(target, 'true')).resolves.toMatchObject({ exitCode: 0 })
    const file = join(server.directory, 'host_ed25519.pub')
    const [, fingerprint = ''] = execFileSync('ssh-keygen', ['-l', '-f', file], { encoding: 'utf8' }).split(' ')
    const key = execFileSync('cut', ['-d', ' ', '-f', '2', file], { encoding: 'utf8' }).trim()
    expect(seen).toEqual([{ host: '127.0.0.1', port: server.port, type: 'ssh-ed25519', fingerprint, key }])
    expect(existsSync(server.knownHosts)).toBe(false)
    await pool.exec(target, 'true')
    expect(seen).toHaveLength(1)
  })

  it('may take its time', async () => {
    const hostKeyVerifier = async (): Promise<boolean> => { await new Promise((resolve) => { setTimeout(resolve, 50) }); return true }
    await expect(pool.exec(server.target({ hostKeyVerifier }), 'true')).resolves.toMatchObject({ exitCode: 0 })
  })

  const refusals: [how: string, verifier: () => unknown, problem: string, cause: RegExp | undefined][] = [
    ['false', () => false, 'rejected', undefined],
    ['a promise of false', () => Promise.resolve(false), 'rejected', undefined],
    ['a throw', () => { throw new Error('the inventory is down') }, 'verifier-failed', /the inventory is down/],
    ['a rejection', () => Promise.reject(new TypeError('no such host')), 'verifier-failed', /no such host/],
    ['something thrown that is no Error', () => Promise.reject(Object.assign(Object.create(null) as Error, { message: 'plain' })), 'verifier-failed', /plain/],
    ['nothing', () => undefined, 'verifier-failed', /must answer true or false, and answered undefined/],
    ['something merely truthy', () => 'yes', 'verifier-failed', /answered a string/],
  ]

  it.each(refusals)('answers %s: EHOSTKEY before any login', async (_, verifier, problem, cause) => {
    const before = await logins()
    const error = await failureOf(pool.exec(server.target({ hostKeyVerifier: verifier as () => boolean }), 'true'))
    expect(error).toBeInstanceOf(HostKeyMismatchError)
    expect(error).toMatchObject({ code: 'EHOSTKEY', kind: 'host-key-mismatch', phase: 'handshake', reached: false, hostKey: { problem, type: 'ssh-ed25519' } })
    if (cause === undefined) expect(error.cause).toBeUndefined()
    else expect(error.cause).toMatchObject({ message: expect.stringMatching(cause) as string })
    expect(await logins()).toBe(before)
  })

  it('what it throws is the cause, itself', async () => {
    const thrown = Object.assign(new RangeError('no such row'), { row: 7 })
    const error = await failureOf(pool.exec(server.target({ hostKeyVerifier: () => { throw thrown } }), 'true'))
    expect(error.cause).toBe(thrown)
  })

  it('never answers: the connection timeout ends it, and a late answer is ignored', async () => {
    const answers: ((trusted: boolean) => void)[] = []
    const hostKeyVerifier = (): Promise<boolean> => new Promise((resolve) => { answers.push(resolve) })
    const target = server.target({ hostKeyVerifier, poolConfig: { connectionTimeout: 1_500, reconnect: { enabled: false } } })
    const error = await failureOf(pool.exec(target, 'true'))
    expect(error).toMatchObject({ code: 'ETIMEDOUT', phase: 'handshake', limit: 1_500, reached: false })
    expect(error.cause).toMatchObject({ message: 'hostKeyVerifier has not answered' })
    for (const answer of answers) answer(true)
    expect(pool.getStats()).toMatchObject({ totalConnections: 0, connectionsCreated: 0 })
    // Time enough for the late answers to do what they must not.
    await pool.exec(server.target({ hostKeyVerifier: () => true }), 'true')
    expect(pool.getStats()).toMatchObject({ totalConnections: 1, connectionsCreated: 1 })
  })

  it('two verifiers share no connection; one shares its own', async () => {
    const first = (): boolean => true
    const second = (): boolean => true
    for (const hostKeyVerifier of [first, second, first, second]) await pool.exec(server.target({ hostKeyVerifier }), 'true')
    await pool.exec(server.target({ knownHostsPath: '/dev/null' }), 'true')
    expect(pool.getStats().connectionsCreated).toBe(3)
  })

  it('keeps no process alive, answered or not', async () => {
    const script = `
      import { SSHConnectionPool } from '@xec-sh/native'
      const pool = new SSHConnectionPool()
      const target = { host: '127.0.0.1', port: ${server.port}, username: '${TEST_USER}', privateKey: '${server.userKey.path}', hostKeyVerifier: () => true }
      console.log((await pool.exec(target, 'echo done')).stdout.trim())`
    const ended = await runNode(['--input-type=module', '--eval', script], {})
    expect(ended).toMatchObject({ code: 0, stdout: 'done\n', stderr: '' })
    expect(ended.lingered).toBeLessThan(2_000)
  })
})
