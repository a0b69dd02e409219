import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { SshAgent } from '../support/agent'
import { attemptsSince } from '../support/attempts'
import { Authority } from '../support/authority'
import { failureOf, visible } from '../support/failure'
import { generateKey } from '../support/keys'
import { SSHConnectionPool, type SSHTarget } from '../support/native'
import { until } from '../support/wait'
import { OpenSSHServer, TEST_USER } from '../support/openssh'

let directory: string
let authority: Authority
let server: OpenSSHServer
let pool: SSHConnectionPool

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'xec-cert-'))
  authority = new Authority(directory)
  server = await OpenSSHServer.start({ config: [authority.trusted] })
  pool = new SSHConnectionPool()
})

afterEach(async () => { await pool.closeAll() })

afterAll(async () => {
  await pool.dispose()
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
})

const certify = (...args: Parameters<Authority['certify']>): string => authority.certify(...args)

const target = (extra: Partial<SSHTarget>): SSHTarget => server.target({ privateKey: undefined, ...extra })

async function login(extra: Partial<SSHTarget>): Promise<void> {
  const before = server.log.length
  expect(await pool.exec(target(extra), 'echo in')).toMatchObject({ stdout: 'in\n' })
  await until('the server tells of the certificate', () => /^Accepted publickey .*-CERT .* ID xectest at work .*CA ED25519/m.test(server.log.slice(before)))
  await pool.closeAll()
}

describe('user certificates', () => {
  it.each(['ed25519', 'rsa', 'ecdsa'] as const)('of an %s key, beside its file', async (type) => {
    const key = generateKey(directory, `beside_${type}`, { type })
    certify(key)
    await login({ privateKey: key.path })
  })

  it('as a path, as text and as a Buffer, with the key as a path and as text', async () => {
    const key = generateKey(directory, 'apart')
    const path = certify(key, undefined, 'elsewhere.pub')
    const text = readFileSync(path, 'utf8')
    await login({ privateKey: key.path, certificate: path })
    await login({ privateKey: key.privateKey, certificate: text })
    await login({ privateKey: key.privateKey, certificate: text.trim() })
    await login({ privateKey: Buffer.from(key.privateKey), certificate: Buffer.from(text) })
  })

  it('in an agent, and one from a file for a key in an agent', async () => {
    const whole = generateKey(directory, 'whole', { type: 'rsa' })
    certify(whole)
    const agent = await SshAgent.start(whole.path)
    await login({ agent: agent.socket })
    agent.run('ssh-add', '-q', '-D')
    const half = generateKey(directory, 'half', { type: 'rsa' })
    agent.add(half.path)
    await login({ agent: agent.socket, certificate: certify(half, undefined, 'half.pub') })
    await agent.stop()
  })

  it('go before the plain key, which still counts where the certificate does not', async () => {
    const path = certify(server.userKey, ['-n', 'somebody-else'], 'not-mine.pub')
    const before = server.log.length
    await pool.exec(server.target({ certificate: path }), 'true')
    expect(await attemptsSince(server, before)).toEqual([expect.stringMatching(/^Failed publickey .*-CERT/), expect.stringMatching(/^Accepted publickey .* ED25519 SHA256/)])
  })

  it('an expired one is refused, and the error says that its time is over', async () => {
    const key = generateKey(directory, 'old')
    certify(key, ['-n', TEST_USER, '-V', '20200101:20200102'])
    const error = await failureOf(pool.exec(target({ privateKey: key.path }), 'true'))
    expect(error).toMatchObject({ code: 'EAUTH' })
    expect(error.message).toMatch(/certificate 'xectest at work', expired/)
  })

  it('what cannot be one is refused before anything is dialed', async () => {
    const key = generateKey(directory, 'bad')
    const other = generateKey(directory, 'other')
    const host = certify(generateKey(directory, 'host'), ['-h', '-n', 'a.example'])
    const before = await server.counted(/^Connection from/)
    for (const [certificate, kind] of [[host, 'invalid-usage'], [join(directory, 'missing'), 'not-found'], ['s3cr3t\ns3cr3t', 'invalid-usage']] as const) {
      const error = await failureOf(pool.exec(target({ privateKey: key.path, certificate }), 'true'))
      expect(error).toMatchObject({ code: 'ECERTIFICATE', kind, phase: 'authenticate', reached: false })
      expect(visible(error)).not.toContain('s3cr3t')
    }
    expect(await server.counted(/^Connection from/)).toBe(before)
    const foreign = certify(other, undefined, 'foreign.pub')
    const error = await failureOf(pool.exec(target({ privateKey: key.path, certificate: foreign }), 'true'))
    expect(error).toMatchObject({ code: 'ECERTIFICATE' })
    expect(error.message).toMatch(/private key/)
  })
})
