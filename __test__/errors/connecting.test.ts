import { execFileSync } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { failureOf, visible } from '../support/failure'
import { generateKey } from '../support/keys'
import {
  AuthenticationError, ConnectionRefusedError, HostKeyMismatchError, InvalidUsageError, NotFoundError, SSHConnectionPool,
} from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { freePort } from '../support/ports'

let server: OpenSSHServer
let pool: SSHConnectionPool

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })
beforeEach(() => { pool = new SSHConnectionPool() })
afterEach(async () => { await pool.dispose() })

const attempts = (): Promise<number> => server.counted(/^Connection from /)

describe('a login the server refuses', () => {
  it('wrong password: EAUTH, one attempt, no secret shown', async () => {
    const failed = await server.counted(/^Failed password/)
    const secret = 'Tr0ub4dor&3'
    const error = await failureOf(pool.exec(server.target({ privateKey: undefined, password: secret }), 'true'))
    expect(error).toBeInstanceOf(AuthenticationError)
    expect(error).toMatchObject({ code: 'EAUTH', kind: 'authentication', phase: 'authenticate', reached: false, host: '127.0.0.1', port: server.port })
    expect(error.message).toMatch(/password/)
    expect(visible(error)).not.toContain(secret)
    expect(await server.counted(/^Failed password/) - failed).toBe(1)
  })

  it('wrong password with auto-reconnect: still one attempt', async () => {
    const before = await attempts()
    const target = server.target({
      privateKey: undefined, password: 'wrong',
      poolConfig: { autoReconnect: true, maxReconnectAttempts: 5, reconnect: { enabled: true, maxRetries: 5 } },
    })
    await failureOf(pool.exec(target, 'true'))
    expect(await attempts() - before).toBe(1)
  })

  it('a key the server does not know: EAUTH', async () => {
    const stranger = generateKey(server.directory, 'stranger')
    expect(await failureOf(pool.exec(server.target({ privateKey: stranger.path }), 'true'))).toMatchObject({ code: 'EAUTH' })
  })

  it('an unknown user: EAUTH', async () => {
    const error = await failureOf(pool.exec(server.target({ username: 'nobody-of-that-name' }), 'true'))
    expect(error).toMatchObject({ code: 'EAUTH' })
    expect(error.message).toContain('nobody-of-that-name')
  })

  it('neither key nor password: EAUTH that says what to give', async () => {
    const error = await failureOf(pool.exec(server.target({ privateKey: undefined }), 'true'))
    expect(error).toMatchObject({ code: 'EAUTH' })
    expect(error.message).toMatch(/privateKey.*password/)
  })
})

describe('a host that cannot be reached', () => {
  it('unknown name: ENOTFOUND', async () => {
    const error = await failureOf(pool.exec(server.target({ host: 'no-such-host.invalid' }), 'true'))
    expect(error).toBeInstanceOf(ConnectionRefusedError)
    expect(error).toMatchObject({ code: 'ENOTFOUND', kind: 'connection-refused', phase: 'dial', reached: false })
    expect(error.message).toMatch(/no-such-host\.invalid.*check/)
  })

  it('refused port: ECONNREFUSED', async () => {
    const port = await freePort()
    const error = await failureOf(pool.exec(server.target({ port }), 'true'))
    expect(error).toBeInstanceOf(ConnectionRefusedError)
    expect(error).toMatchObject({ code: 'ECONNREFUSED', kind: 'connection-refused', phase: 'dial', port })
    expect(error.message).toContain(String(port))
  })
})

describe('a host key that is not trusted', () => {
  it('changed: EHOSTKEY, nothing tried beyond the handshake', async () => {
    await pool.exec(server.target(), 'true')
    await pool.closeAll()
    const [address = '', type = ''] = readFileSync(server.knownHosts, 'utf8').trim().split(' ')
    const other = generateKey(server.directory, 'other_host').publicKey.split(' ')[1] ?? ''
    const forged = join(server.directory, 'forged_hosts')
    writeFileSync(forged, `${address} ${type} ${other}\n`)
    const logins = await server.counted(/^(Accepted|Failed) /)
    const error = await failureOf(pool.exec(server.target({ knownHostsPath: forged }), 'true'))
    expect(error).toBeInstanceOf(HostKeyMismatchError)
    expect(error).toMatchObject({ code: 'EHOSTKEY', kind: 'host-key-mismatch', phase: 'handshake', reached: false })
    expect(error.message).toMatch(/ssh-keygen -R/)
    expect(await server.counted(/^(Accepted|Failed) /)).toBe(logins)
    expect(readFileSync(forged, 'utf8')).toBe(`${address} ${type} ${other}\n`)
  })

  it('unknown with strict: EHOSTKEY, nothing written', async () => {
    const empty = join(server.directory, 'empty_hosts')
    writeFileSync(empty, '')
    const error = await failureOf(pool.exec(server.target({ knownHostsPath: empty, hostKeyChecking: 'strict' }), 'true'))
    expect(error).toMatchObject({ code: 'EHOSTKEY', kind: 'host-key-mismatch' })
    expect(readFileSync(empty, 'utf8')).toBe('')
  })

  it('accept-new writes it down, strict then accepts it, off does not look', async () => {
    const hosts = join(server.directory, 'fresh_hosts')
    await pool.exec(server.target({ knownHostsPath: hosts }), 'true')
    expect(readFileSync(hosts, 'utf8')).toContain(`[127.0.0.1]:${server.port} ssh-ed25519 `)
    await pool.closeAll()
    await expect(pool.exec(server.target({ knownHostsPath: hosts, hostKeyChecking: 'strict' }), 'true')).resolves.toMatchObject({ exitCode: 0 })
    const forged = join(server.directory, 'forged_again')
    writeFileSync(forged, readFileSync(hosts, 'utf8').replace(/AAAA\S+/, generateKey(server.directory, 'other2').publicKey.split(' ')[1] ?? ''))
    await expect(pool.exec(server.target({ knownHostsPath: forged, hostKeyChecking: 'off' }), 'true')).resolves.toMatchObject({ exitCode: 0 })
  })

  it('strict accepts a hashed entry', async () => {
    const hosts = join(server.directory, 'hashed_hosts')
    await pool.exec(server.target({ knownHostsPath: hosts }), 'true')
    await pool.closeAll()
    execFileSync('ssh-keygen', ['-q', '-H', '-f', hosts], { stdio: 'ignore' })
    expect(readFileSync(hosts, 'utf8')).toMatch(/^\|1\|/)
    await expect(pool.exec(server.target({ knownHostsPath: hosts, hostKeyChecking: 'strict' }), 'true')).resolves.toMatchObject({ exitCode: 0 })
  })
})

describe('a private key that cannot be used', () => {
  it('missing file: EKEYFILE that names the path', async () => {
    const before = await attempts()
    const error = await failureOf(pool.exec(server.target({ privateKey: '/no/such/key' }), 'true'))
    expect(error).toBeInstanceOf(NotFoundError)
    expect(error).toMatchObject({ code: 'EKEYFILE', kind: 'not-found', reached: false })
    expect(error.message).toContain('/no/such/key')
    expect(await attempts() - before).toBeLessThanOrEqual(1)
  })

  it('not a key: EKEYFORMAT', async () => {
    const path = join(server.directory, 'not_a_key')
    writeFileSync(path, 'just some text\n')
    const error = await failureOf(pool.exec(server.target({ privateKey: path }), 'true'))
    expect(error).toBeInstanceOf(InvalidUsageError)
    expect(error).toMatchObject({ code: 'EKEYFORMAT', kind: 'invalid-usage' })
  })

  it('damaged key text: EKEYFORMAT, and the text is not repeated', async () => {
    const damaged = server.userKey.privateKey.replace(/\n[A-Za-z0-9+/]{10}/, '\n!!!!!!!!!!')
    const body = server.userKey.privateKey.split('\n')[2] ?? ''
    const error = await failureOf(pool.exec(server.target({ privateKey: damaged }), 'true'))
    expect(error).toMatchObject({ code: 'EKEYFORMAT' })
    expect(visible(error)).not.toContain(body)
  })

  it('encrypted without passphrase, and with a wrong one: EPASSPHRASE, each with its advice', async () => {
    const locked = generateKey(server.directory, 'locked', { passphrase: 'open sesame' })
    chmodSync(locked.path, 0o600)
    const missing = await failureOf(pool.exec(server.target({ privateKey: locked.path }), 'true'))
    const wrong = await failureOf(pool.exec(server.target({ privateKey: locked.path, passphrase: 'open barley' }), 'true'))
    expect(missing).toMatchObject({ code: 'EPASSPHRASE', kind: 'invalid-usage' })
    expect(missing.message).toMatch(/give its passphrase/)
    expect(wrong).toMatchObject({ code: 'EPASSPHRASE', kind: 'authentication' })
    expect(wrong.message).toMatch(/passphrase is wrong/)
    expect(visible(wrong)).not.toContain('open barley')
  })
})
