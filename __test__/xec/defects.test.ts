import * as core from '@xec-sh/core'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Installation, install } from '../../xec.mjs'
import { SSHConnectionPool } from '../support/native'
import { OpenSSHServer, TEST_USER } from '../support/openssh'
import { isRunning } from '../support/processes'
import { exchange } from '../support/sockets'
import { until } from '../support/wait'

/** What @xec-sh/core's own adapter gets wrong with plain commands, shown to be gone. Numbers as in the contract's list. */

let server: OpenSSHServer
let engine: core.ExecutionEngine
let installation: Installation
let options: core.SSHAdapterOptions

beforeAll(async () => { server = await OpenSSHServer.start() })

afterAll(async () => {
  await SSHConnectionPool.getInstance().dispose()
  await server.stop()
})

beforeEach(() => {
  engine = new core.ExecutionEngine()
  installation = install(engine)
  options = {
    type: 'ssh', host: '127.0.0.1', port: server.port, username: TEST_USER, privateKey: server.userKey.privateKey,
    knownHostsPath: server.knownHosts,
  }
})

afterEach(async () => { await installation.uninstall() })

const run = (command: string, extra: Partial<core.Command> = {}): Promise<core.ExecutionResult> =>
  engine.execute({ command, adapterOptions: options, ...extra })

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then((value) => { throw new Error(`it resolved: ${JSON.stringify(value)}`) }, (error: unknown) => error)

/** `$.ssh({...})` on a server. */
const core$ = (host: OpenSSHServer): { tunnel: (options: object) => Promise<{ localPort: number; isOpen: boolean; close: () => Promise<void> }> } =>
  engine.ssh({ ...options, port: host.port, privateKey: host.userKey.privateKey, knownHostsPath: host.knownHosts }) as never

const hostKey = (host: OpenSSHServer, type: string): string => readFileSync(join(host.directory, `host_${type}.pub`), 'utf8').trim()

const banner = (port: number): Promise<string> => exchange(port, '')

describe('defects of core\'s SSH adapter that are gone', () => {
  it('1: a connection lost during a command is an error, not exit 0', async () => {
    const lost = rejection(run('echo begun; sleep 300'))
    await server.runs('sleep')
    server.killConnections()
    expect(await lost).toMatchObject({ kind: 'connection-lost', reached: true })
    expect(await run('echo back')).toMatchObject({ stdout: 'back\n', ok: true })
  })

  it('2: a process killed by a signal is 128 + n, not exit 0', async () => {
    expect(await run('kill -9 $$', { nothrow: true })).toMatchObject({ exitCode: 137, signal: 'SIGKILL', ok: false })
  })

  it('3: one command\'s timeout leaves the others on its connection alone', async () => {
    options = { ...options, poolConfig: { maxConnections: 1 } }
    const others = Array.from({ length: 7 }, (_, i) => run(`sleep 0.8; echo ${i}`))
    expect(await rejection(run('sleep 300', { timeout: 300 }))).toBeInstanceOf(core.TimeoutError)
    expect((await Promise.all(others)).map(({ stdout }) => stdout)).toEqual(Array.from({ length: 7 }, (_, i) => `${i}\n`))
  })

  it('4: closing idle connections never cuts a running command', async () => {
    const running = run('sleep 0.4; echo whole')
    await server.runs('sleep')
    await SSHConnectionPool.getInstance().closeIdleConnections()
    expect(await running).toMatchObject({ stdout: 'whole\n', ok: true })
  })

  it('5: abort stops the remote process', async () => {
    const controller = new AbortController()
    const aborted = run('echo $$; exec sleep 300', { signal: controller.signal, nothrow: true })
    await server.runs('sleep')
    // One more round trip: its process id has to be here before it is stopped.
    await run('true')
    controller.abort()
    const { stdout, exitCode, ok } = await aborted
    expect([exitCode, ok]).toEqual([143, false])
    await until('the remote process has ended', () => !isRunning(Number(stdout)))
  })

  it('6: a command whose cwd is missing does not run in the home directory', async () => {
    const result = await run('touch ran-in-the-wrong-place; pwd', { cwd: '/no/such/directory', nothrow: true })
    expect(result).toMatchObject({ ok: false, stdout: '' })
    expect(await run('test ! -e ~/ran-in-the-wrong-place', { nothrow: true })).toMatchObject({ exitCode: 0 })
  })

  it('7: arguments are data: readFile and deleteFile do what they say', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'xec-files-'))
    const [odd, a, b] = [join(directory, 'x; id'), join(directory, 'a'), join(directory, 'b')]
    const remote = engine.with({ adapter: 'ssh', adapterOptions: options })
    writeFileSync(odd, 'odd name\n')
    for (const path of [a, b]) writeFileSync(path, '')
    chmodSync(directory, 0o777)
    expect(await remote.readFile(odd)).toBe('odd name\n')
    await remote.deleteFile(`${a} ${b}`)
    expect((await run('ls', { cwd: directory })).stdout).toBe('a\nb\nx; id\n')
    rmSync(directory, { recursive: true, force: true })
  })

  it('11: pooling switched off leaks no connection', async () => {
    options = { ...options, poolConfig: { enabled: false }, passphrase: 'a key of its own in the pool' }
    const before = SSHConnectionPool.getInstance().getStats().totalConnections
    for (let i = 0; i < 3; i++) await run('true')
    await until('the last one is closed', () => SSHConnectionPool.getInstance().getStats().totalConnections === before)
  })

  it('15: binary stdin and stdout survive, stdall is in order of arrival', async () => {
    const bytes = randomBytes(100_000)
    installation.adapter.updateConfig({ sensitiveDataMasking: { enabled: false } })
    const result = await run('cat', { stdin: bytes })
    expect(result.buffer().equals(bytes)).toBe(true)
    const mixed = await run('echo 1; sleep 0.1; echo 2 >&2; sleep 0.1; echo 3')
    expect(mixed).toMatchObject({ stdall: '1\n2\n3\n' })
  })

  it('17: wrong login options are not taken for a refused connection', async () => {
    const withoutKey = { ...options, privateKey: undefined }
    options = withoutKey
    expect(await rejection(run('true'))).toMatchObject({ kind: 'authentication' })
    options = { ...withoutKey, port: 70_000 }
    expect(await rejection(run('true'))).toMatchObject({ kind: 'invalid-usage' })
  })

  it('8: connecting to a tunnel whose link dropped crashes nothing, and works again', async () => {
    const tunnel = await core$(server).tunnel({ remoteHost: '127.0.0.1', remotePort: server.port })
    expect(await banner(tunnel.localPort)).toMatch(/^SSH-2\.0/)
    server.killConnections()
    expect(await banner(tunnel.localPort)).toMatch(/^SSH-2\.0/)
    await tunnel.close()
    expect(tunnel.isOpen).toBe(false)
  })

  it('9: tunnels to two hosts opened in parallel land on their own', async () => {
    const second = await OpenSSHServer.start({ config: ['Banner none', 'AllowTcpForwarding no'] })
    const tunnels = await Promise.all([server, second].map((host) =>
      core$(host).tunnel({ remoteHost: '127.0.0.1', remotePort: server.port })))
    const [first, other] = await Promise.all(tunnels.map(({ localPort }) => banner(localPort)))
    expect(first).toMatch(/^SSH-2\.0/)
    // The second server forbids forwarding: had it landed on the first, there would be a banner.
    expect(other).toBe('')
    await Promise.all(tunnels.map((tunnel) => tunnel.close()))
    await second.stop()
  })

  it('10: idle cleanup does not cut a tunnel', async () => {
    options = { ...options, poolConfig: { idleTimeout: 30 } }
    const tunnel = await core$(server).tunnel({ remoteHost: '127.0.0.1', remotePort: server.port })
    await SSHConnectionPool.getInstance().closeIdleConnections()
    expect(await banner(tunnel.localPort)).toMatch(/^SSH-2\.0/)
    await tunnel.close()
  })

  it('12: a connection past its maxLifetime is replaced', async () => {
    options = { ...options, poolConfig: { maxLifetime: 200 } }
    const where = 'sleep 0.5; echo $SSH_CONNECTION'
    const [first, second] = [await run(where), await run(where)]
    expect(second.stdout).not.toBe(first.stdout)
  })

  it('13: a strict target is strict when it connects again, and writes nothing', async () => {
    const hosts = join(server.directory, 'strict_hosts')
    writeFileSync(hosts, `[127.0.0.1]:${server.port} ${hostKey(server, 'ed25519')}\n`)
    options = { ...options, knownHostsPath: hosts, hostKeyChecking: 'strict' }
    await run('true')
    writeFileSync(hosts, '')
    server.killConnections()
    expect(await rejection(run('true'))).toMatchObject({ kind: 'host-key-mismatch', originalError: { code: 'EHOSTKEY' } })
    expect(readFileSync(hosts, 'utf8')).toBe('')
  })

  it('14: a server of which only the RSA key is known is asked for that one', async () => {
    const many = await OpenSSHServer.start({ hostKeys: ['ed25519', 'rsa'] })
    const hosts = join(many.directory, 'rsa_hosts')
    writeFileSync(hosts, `[127.0.0.1]:${many.port} ${hostKey(many, 'rsa')}\n`)
    options = { ...options, port: many.port, privateKey: many.userKey.privateKey, knownHostsPath: hosts, hostKeyChecking: 'strict' }
    expect(await run('echo known')).toMatchObject({ stdout: 'known\n' })
    await many.stop()
  })

  it('18: keepalive opens no channel', async () => {
    const quiet = await OpenSSHServer.start({ logLevel: 'DEBUG1' })
    options = { ...options, port: quiet.port, privateKey: quiet.userKey.privateKey, knownHostsPath: quiet.knownHosts, poolConfig: { keepAliveInterval: 50 } }
    await run('true')
    await until('it was kept alive', () => quiet.count(/global_request: rtype keepalive@openssh.com|rtype keepalive/) >= 3)
    expect(quiet.count(/Starting session: command/)).toBe(1)
    await quiet.stop()
  })

  it('0.9.0: twenty at once on a stock server all succeed', async () => {
    const results = await Promise.all(Array.from({ length: 20 }, (_, i) => run(`echo ${i}`)))
    expect(results.map(({ stdout }) => stdout)).toEqual(Array.from({ length: 20 }, (_, i) => `${i}\n`))
  })

  it('0.9.0: a wrong password never reuses another caller\'s connection', async () => {
    await run('true')
    const withoutKey = { ...options, privateKey: undefined }
    options = { ...withoutKey, password: 'wrong' }
    expect(await rejection(run('true'))).toMatchObject({ kind: 'authentication' })
  })

  it('0.9.0: the host key is checked', async () => {
    const hosts = join(server.directory, 'defect_hosts')
    writeFileSync(hosts, `[127.0.0.1]:${server.port} ssh-ed25519 ${server.userKey.publicKey.split(' ')[1] ?? ''}\n`)
    options = { ...options, knownHostsPath: hosts }
    expect(await rejection(run('true'))).toMatchObject({ kind: 'host-key-mismatch', originalError: { code: 'EHOSTKEY' } })
  })

  it('0.9.0: an environment name cannot carry a command', async () => {
    expect(await rejection(run('true', { env: { 'A=1; id': 'x' } }))).toMatchObject({ kind: 'invalid-usage' })
  })

  it('0.9.0: too much output is an error, not an empty success', async () => {
    expect(await rejection(run('yes', { maxBuffer: 1_000 } as Partial<core.Command>))).toMatchObject({ originalError: { code: 'EMAXBUFFER' } })
  })
})
