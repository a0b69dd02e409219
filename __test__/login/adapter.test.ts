import * as core from '@xec-sh/core'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { install, uninstall } from '../../xec.mjs'
import { SshAgent } from '../support/agent'
import { Authority } from '../support/authority'
import { generateKey } from '../support/keys'
import { SSHAdapter, SSHConnectionPool, type SSHTarget } from '../support/native'
import { OpenSSHServer, TEST_PASSWORD, TEST_USER } from '../support/openssh'

let directory: string
let agent: SshAgent
let server: OpenSSHServer
let ways: Record<string, Partial<SSHTarget>>

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'xec-adapter-'))
  const authority = new Authority(directory)
  server = await OpenSSHServer.start({ config: [authority.trusted, 'KbdInteractiveAuthentication yes'] })
  agent = await SshAgent.start(server.userKey.path)
  const certified = generateKey(directory, 'certified')
  const certificate = authority.certify(certified, undefined, 'certificate.pub')
  ways = {
    agent: { agent: agent.socket },
    identitiesOnly: { agent: agent.socket, identitiesOnly: true, privateKey: `${server.userKey.path}.pub` },
    certificate: { privateKey: certified.path, certificate },
    keyboardInteractive: { keyboardInteractive: () => [TEST_PASSWORD] },
  }
})

afterAll(async () => {
  await SSHConnectionPool.getInstance().dispose()
  await server.stop()
  await agent.stop()
  rmSync(directory, { recursive: true, force: true })
})

const place = (): SSHTarget => ({ host: '127.0.0.1', port: server.port, username: TEST_USER, knownHostsPath: server.knownHosts })

describe.each(['agent', 'identitiesOnly', 'certificate', 'keyboardInteractive'])('%s', (way) => {
  it('of the adapter\'s defaultConnectOptions', async () => {
    await using adapter = new SSHAdapter({ defaultConnectOptions: ways[way] ?? {} })
    const result = await adapter.execute({ command: 'id -un', adapterOptions: { type: 'ssh', ...place() } })
    expect(result.stdout).toBe(`${TEST_USER}\n`)
  })

  it('of a command\'s target', async () => {
    await using adapter = new SSHAdapter()
    const result = await adapter.execute({ command: 'id -un', adapterOptions: { type: 'ssh', ...place(), ...ways[way] } })
    expect(result.stdout).toBe(`${TEST_USER}\n`)
  })

  it('of $.ssh', async () => {
    const $ = core.createCallableEngine(new core.ExecutionEngine())
    install($)
    const options = { ...place(), username: TEST_USER, ...ways[way] } as Parameters<typeof $.ssh>[0]
    expect((await $.ssh(options)`id -un`).stdout).toBe(`${TEST_USER}\n`)
    await uninstall($)
  })
})
