import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { HardwareAgent, SshAgent } from '../support/agent'
import { attemptsSince } from '../support/attempts'
import { failureOf, visible } from '../support/failure'
import { type KeyPair, generateKey } from '../support/keys'
import { SSHConnectionPool, type SSHTarget } from '../support/native'
import { OpenSSHServer } from '../support/openssh'

let directory: string
let ed25519: KeyPair
let rsa: KeyPair
let ecdsa: KeyPair
let stranger: KeyPair
let encrypted: KeyPair
let token: HardwareAgent
let server: OpenSSHServer
let pool: SSHConnectionPool
const agents: SshAgent[] = []

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'xec-login-'))
  ed25519 = generateKey(directory, 'ed25519')
  rsa = generateKey(directory, 'rsa', { type: 'rsa' })
  ecdsa = generateKey(directory, 'ecdsa', { type: 'ecdsa' })
  encrypted = generateKey(directory, 'encrypted', { passphrase: 'open sesame' })
  stranger = generateKey(directory, 'stranger')
  token = await HardwareAgent.start()
  server = await OpenSSHServer.start({
    authorized: [ed25519, rsa, ecdsa, encrypted].map((key) => key.publicKey).concat(token.publicKey),
  })
  pool = new SSHConnectionPool()
})

afterEach(async () => {
  await pool.closeAll()
  await Promise.all(agents.splice(0).map((agent) => agent.stop()))
})

afterAll(async () => {
  await pool.dispose()
  await server.stop()
  await token.stop()
  rmSync(directory, { recursive: true, force: true })
})

async function agentWith(...keys: KeyPair[]): Promise<SshAgent> {
  const agent = await SshAgent.start(...keys.map((key) => key.path))
  agents.push(agent)
  return agent
}

/** A target with nothing but what is given. */
const target = (extra: Partial<SSHTarget>): SSHTarget => server.target({ privateKey: undefined, ...extra })

/** Lines of sshd's log that a login leaves. */
async function login(extra: Partial<SSHTarget>): Promise<string[]> {
  const before = server.log.length
  await pool.exec(target(extra), 'true')
  return await attemptsSince(server, before)
}

describe('ssh-agent', () => {
  it.each(['ed25519', 'rsa', 'ecdsa'] as const)('signs with an %s key', async (type) => {
    const key = { ed25519, rsa, ecdsa }[type]
    const agent = await agentWith(key)
    expect(await login({ agent: agent.socket })).toEqual([expect.stringMatching(`^Accepted publickey .* ${type.toUpperCase()} `)])
  })

  it('~ in its path is the local home directory', async () => {
    const agent = await agentWith(ed25519)
    expect(await login({ agent: `~/${relative(homedir(), agent.socket)}` })).toHaveLength(1)
  })

  it('a hardware key signs in its token', async () => {
    expect(await login({ agent: token.socket })).toEqual([expect.stringMatching(/^Accepted publickey .* ED25519-SK /)])
    expect(token.signatures).toBe(1)
  })

  it('goes before the key file, which is offered once the agent has nothing more', async () => {
    const agent = await agentWith(stranger)
    const lines = await login({ agent: agent.socket, privateKey: ed25519.path })
    expect(lines).toEqual([expect.stringMatching(/^Failed publickey/), expect.stringMatching(/^Accepted publickey/)])
  })

  it('offers the key that privateKey names first, and a key that both hold once', async () => {
    const agent = await agentWith(stranger, ed25519)
    expect(await login({ agent: agent.socket, privateKey: ed25519.path })).toEqual([expect.stringMatching(/^Accepted publickey/)])
  })

  it('opens what an encrypted key file cannot, without its passphrase', async () => {
    const agent = await SshAgent.start()
    agents.push(agent)
    const open = join(directory, 'opened')
    writeFileSync(open, encrypted.privateKey, { mode: 0o600 })
    agent.run('ssh-keygen', '-q', '-p', '-P', 'open sesame', '-N', '', '-f', open)
    agent.add(open)
    expect(await login({ agent: agent.socket, privateKey: encrypted.path })).toHaveLength(1)
    expect(await failureOf(pool.exec(target({ privateKey: encrypted.path }), 'true'))).toMatchObject({ code: 'EPASSPHRASE' })
  })

  it('identitiesOnly leaves the other keys alone; a public key is enough to name one', async () => {
    const agent = await agentWith(stranger, rsa, ed25519)
    const only = { agent: agent.socket, identitiesOnly: true }
    expect(await login({ ...only, privateKey: `${ed25519.path}.pub` })).toEqual([expect.stringMatching(/^Accepted publickey .* ED25519 /)])
    const error = await failureOf(pool.exec(target({ ...only, privateKey: ecdsa.publicKey }), 'true'))
    expect(error).toMatchObject({ code: 'EAUTH', kind: 'authentication' })
    expect(error.message).toMatch(/none of the keys that identitiesOnly allows/)
  })

  it('false: not even where there is nothing else', async () => {
    expect(await failureOf(pool.exec(target({ agent: false, password: undefined, privateKey: stranger.path }), 'true')))
      .toMatchObject({ code: 'EAUTH' })
  })

  it('one that refuses to sign is passed over, and the error says so', async () => {
    const agent = await agentWith(ed25519)
    // Asks for a confirmation that nobody can give here.
    agent.run('ssh-add', '-q', '-D')
    agent.add(ed25519.path, '-c')
    const error = await failureOf(pool.exec(target({ agent: agent.socket }), 'true'))
    expect(error).toMatchObject({ code: 'EAUTH' })
    expect(visible(error.cause)).toMatch(/agent/i)
    expect(error.message).toContain('without a signature')
    expect(await login({ agent: agent.socket, privateKey: rsa.path })).toEqual([expect.stringMatching(/^Accepted publickey .* RSA /)])
  })

  it('one that is not there: EAGENT without other credentials, passed over with them', async () => {
    const missing = join(directory, 'no-such-socket')
    const before = await server.counted(/^Connection from/)
    const error = await failureOf(pool.exec(target({ agent: missing }), 'true'))
    expect(error).toMatchObject({ code: 'EAGENT', kind: 'not-found', phase: 'authenticate', reached: false })
    expect(error.message).toContain(missing)
    // The server was not troubled.
    expect(await server.counted(/^Connection from/)).toBe(before)
    expect(await login({ agent: missing, privateKey: ed25519.path })).toHaveLength(1)
    const refused = await failureOf(pool.exec(target({ agent: missing, privateKey: stranger.path }), 'true'))
    expect(refused).toMatchObject({ code: 'EAUTH' })
    expect(visible(refused.cause)).toContain(missing)
  })

  it('one without keys: EAUTH that says so', async () => {
    const agent = await agentWith()
    const error = await failureOf(pool.exec(target({ agent: agent.socket }), 'true'))
    expect(error).toMatchObject({ code: 'EAUTH', kind: 'authentication' })
    expect(error.message).toMatch(/has no keys/)
  })

  it('a connection made with one agent is not lent to a target with another', async () => {
    const [first, second] = [await agentWith(ed25519), await agentWith(stranger)]
    await pool.exec(target({ agent: first.socket }), 'true')
    expect(await failureOf(pool.exec(target({ agent: second.socket }), 'true'))).toMatchObject({ code: 'EAUTH' })
  })
})
