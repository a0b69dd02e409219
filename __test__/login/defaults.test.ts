import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SshAgent } from '../support/agent'
import { attemptsSince } from '../support/attempts'
import { type KeyPair, generateKey } from '../support/keys'
import type { SSHTarget } from '../support/native'
import { OpenSSHServer, TEST_PASSWORD, TEST_USER } from '../support/openssh'
import { type Ended, runNode } from '../support/run-script'

const PROGRAM = join(__dirname, '../fixtures/login/program.mjs')

let home: string
let inAgent: KeyPair
let inHome: KeyPair
let agent: SshAgent
let server: OpenSSHServer

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'xec-home-'))
  mkdirSync(join(home, '.ssh'))
  inAgent = generateKey(home, 'in-agent')
  inHome = generateKey(home, 'in-home', { type: 'ecdsa' })
  copyFileSync(inHome.path, join(home, '.ssh/id_ecdsa'))
  generateKey(join(home, '.ssh'), 'id_ed25519', { passphrase: 'nobody knows' })
  agent = await SshAgent.start(inAgent.path)
  server = await OpenSSHServer.start({ authorized: [inAgent.publicKey, inHome.publicKey], config: ['KbdInteractiveAuthentication yes'] })
})

afterAll(async () => {
  await server.stop()
  await agent.stop()
  rmSync(home, { recursive: true, force: true })
})

/** A program of its own, because SSH_AUTH_SOCK and HOME belong to a process. */
async function run(target: Partial<SSHTarget>, env: Record<string, string>): Promise<{ said: string, attempts: () => Promise<string[]>, ended: Ended }> {
  const mark = server.log.length
  const { host, port, username, knownHostsPath } = server.target()
  const ended = await runNode([PROGRAM], {
    HOME: home, SSH_AUTH_SOCK: '', TARGET: JSON.stringify({ host, port, username, knownHostsPath, ...target }), ...env,
  })
  return { said: ended.stdout.trim() + ended.stderr, attempts: () => attemptsSince(server, mark), ended }
}

describe('without credentials, as ssh does', () => {
  it('the agent of the environment first', async () => {
    const { said, attempts } = await run({}, { SSH_AUTH_SOCK: agent.socket })
    expect(said).toBe('in')
    expect(await attempts()).toEqual([expect.stringMatching(/^Accepted publickey .* ED25519 /)])
  })

  it('then the key files in ~/.ssh, without those that need a passphrase', async () => {
    for (const socket of ['', '/nobody/listens/here']) {
      const { said, attempts } = await run({}, { SSH_AUTH_SOCK: socket })
      expect(said).toBe('in')
      expect(await attempts()).toEqual([expect.stringMatching(/^Accepted publickey .* ECDSA /)])
    }
  })

  it('agent: false leaves the files, agent: true leaves the agent', async () => {
    const files = await run({ agent: false }, { SSH_AUTH_SOCK: agent.socket })
    expect(await files.attempts()).toEqual([expect.stringMatching(/^Accepted publickey .* ECDSA /)])
    const only = await run({ agent: true }, { SSH_AUTH_SOCK: agent.socket })
    expect(await only.attempts()).toEqual([expect.stringMatching(/^Accepted publickey .* ED25519 /)])
    expect((await run({ agent: true }, {})).said).toMatch(/^EAGENT: .*SSH_AUTH_SOCK/)
  })

  it('with a password neither the agent nor files are used', async () => {
    const { attempts } = await run({ password: TEST_PASSWORD }, { SSH_AUTH_SOCK: agent.socket })
    expect(await attempts()).toEqual([expect.stringMatching(`^Accepted password for ${TEST_USER}`)])
  })

  it('nothing at all: EAUTH that says what to give', async () => {
    const { said } = await run({}, { HOME: '/nonexistent' })
    expect(said).toMatch(/^EAUTH: No way to authenticate .* give privateKey, agent, password or keyboardInteractive/)
  })
})

describe('a keyboardInteractive callback keeps no process alive', () => {
  it('when it never answers, beyond the connection timeout', async () => {
    const { said, ended } = await run({ poolConfig: { connectionTimeout: 500 } }, { NEVER: '1' })
    expect(said).toMatch(/^ETIMEDOUT/)
    expect(ended).toMatchObject({ code: 0, signal: null })
    expect(ended.lingered).toBeLessThan(2_000)
  })

  it('while its connection is idle', async () => {
    const { said, ended } = await run({}, { UNUSED: TEST_PASSWORD })
    expect(said).toBe('in')
    expect(ended).toMatchObject({ code: 0, signal: null })
    expect(ended.lingered).toBeLessThan(2_000)
  })
})
