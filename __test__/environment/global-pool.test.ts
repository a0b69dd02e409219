import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { failureOf } from '../support/failure'
import { SSHConnectionPool, executeSSHCommand, getGlobalPool } from '../support/native'
import { OpenSSHServer, TEST_USER } from '../support/openssh'
import { until } from '../support/wait'

let server: OpenSSHServer

beforeAll(async () => { server = await OpenSSHServer.start({ addresses: ['127.0.0.1', '127.0.0.2'] }) })
afterAll(async () => { await server.stop() })

/** The variables these tests may set, put back afterwards. */
const NAMES = [
  'SSH_POOL_MAX_CONNECTIONS', 'SSH_POOL_IDLE_TIMEOUT_MS', 'SSH_POOL_CONNECTION_TIMEOUT_MS', 'SSH_POOL_HEALTH_CHECKS',
  'SSH_POOL_HEALTH_CHECK_INTERVAL_MS', 'HOME',
]
let saved: [string, string | undefined][] = []

beforeEach(() => { saved = NAMES.map((name) => [name, process.env[name]]) })

afterEach(async () => {
  for (const [name, value] of saved) {
    if (value === undefined) Reflect.deleteProperty(process.env, name)
    else process.env[name] = value
  }
  await getGlobalPool().dispose()
})

describe('executeSSHCommand', () => {
  it('first call a miss, second a hit, and the figures have the documented names', async () => {
    expect(await executeSSHCommand(server.target(), 'echo one')).toMatchObject({ stdout: 'one\n', exitCode: 0 })
    expect(await executeSSHCommand(server.target(), 'echo two; exit 3')).toMatchObject({ stdout: 'two\n', exitCode: 3 })
    expect(getGlobalPool().getStats()).toMatchObject({
      poolHits: 1, poolMisses: 1, activeConnections: 0, idleConnections: 1, totalConnections: 1,
      healthCheckFailures: 0, healthChecksPassed: 0,
    })
  })

  it('takes options as exec does', async () => {
    const { stdout } = await executeSSHCommand(server.target(), 'cat', { stdin: 'in', encoding: 'buffer' })
    expect(stdout).toEqual(Buffer.from('in'))
  })

  it('a host may be called by its name; with an address too, the address is dialed', async () => {
    const { host: address, ...rest } = server.target()
    expect(await executeSSHCommand({ name: address, ...rest }, 'echo by name')).toMatchObject({ host: address, stdout: 'by name\n' })
    expect(await executeSSHCommand({ name: 'web', host: address, ...rest }, 'true')).toMatchObject({ host: address, ok: true })
    expect(getGlobalPool().getStats()).toMatchObject({ poolMisses: 1, poolHits: 1 })
  })

  it('user@host:port logs in with the local user\'s own key and known hosts', async () => {
    const home = mkdtempSync(join(tmpdir(), 'xec-home-'))
    mkdirSync(join(home, '.ssh'))
    copyFileSync(server.userKey.path, join(home, '.ssh/id_ed25519'))
    // Not the first choice, and no key: it must not be tried.
    writeFileSync(join(home, '.ssh/id_rsa'), 'not a key')
    process.env['HOME'] = home
    const { stdout } = await executeSSHCommand(`${TEST_USER}@127.0.0.1:${server.port}`, 'id -un')
    expect(stdout).toBe(`${TEST_USER}\n`)
    rmSync(home, { recursive: true })
  })

  it.each(['', 'a b', 'user@', 'host:port', 'host:123456', '::1:22 x', '[::1', 'ssh://host'])('%j is no address', async (text) => {
    expect(await failureOf(executeSSHCommand(text, 'true'))).toMatchObject({ code: 'EINVAL_OPTION', option: 'host' })
  })

  it.each([['user@[::1]:1', '::1'], ['::1', '::1'], ['[fe80::1]:1', 'fe80::1']])('%j is one, of %s', async (text, host) => {
    process.env['SSH_POOL_CONNECTION_TIMEOUT_MS'] = '200'
    const error = await failureOf(executeSSHCommand(text, 'true'))
    expect(error).toMatchObject({ reached: false, host })
    expect(error.code).not.toBe('EINVAL_OPTION')
  })

  it.each([[null], [7], [undefined], [{ port: 22 }]])('%j is no host', async (value) => {
    const loose: (host: never, command: string) => Promise<unknown> = executeSSHCommand
    expect(await failureOf(loose(value as never, 'true'))).toMatchObject({ code: 'EINVAL_OPTION', option: 'host' })
  })
})

describe('the global pool', () => {
  it('refuses one command more than there are connections, in the documented words', async () => {
    process.env['SSH_POOL_MAX_CONNECTIONS'] = '2'
    const ended = new AbortController()
    const running = [1, 2].map(() => failureOf(executeSSHCommand(server.target(), 'sleep 300', { signal: ended.signal })))
    await server.runs('sleep', 2)
    expect(getGlobalPool().getStats()).toMatchObject({ activeConnections: 2, idleConnections: 0 })
    const refused = await failureOf(executeSSHCommand(server.target(), 'true'))
    expect(refused).toMatchObject({
      code: 'EPOOLEXHAUSTED', reached: false, message: `Connection pool exhausted for 127.0.0.1:${server.port} (max: 2)`,
    })
    // Per host: another one is not concerned.
    expect(await executeSSHCommand(server.target({ host: '127.0.0.2' }), 'true')).toMatchObject({ ok: true })
    ended.abort()
    await Promise.all(running)
  })

  it('five commands at once by default, each on a connection of its own; the sixth is refused', async () => {
    const ended = new AbortController()
    const running = [1, 2, 3, 4, 5].map(() => failureOf(executeSSHCommand(server.target(), 'sleep 300', { signal: ended.signal })))
    await server.runs('sleep', 5)
    expect(getGlobalPool().getStats()).toMatchObject({ activeConnections: 5, totalConnections: 5 })
    expect((await failureOf(executeSSHCommand(server.target(), 'true'))).message).toMatch(/\(max: 5\)$/)
    ended.abort()
    await Promise.all(running)
  })

  it('closes a connection that was idle for as long as the variable says', async () => {
    process.env['SSH_POOL_IDLE_TIMEOUT_MS'] = '100'
    await executeSSHCommand(server.target(), 'true')
    await until('the idle connection is closed', () => getGlobalPool().getStats().totalConnections === 0, 2_000)
  })

  it('checks idle connections', async () => {
    process.env['SSH_POOL_HEALTH_CHECK_INTERVAL_MS'] = '50'
    await executeSSHCommand(server.target(), 'true')
    await until('a check passed', () => getGlobalPool().getStats().healthChecksPassed > 0)
    expect(getGlobalPool().getStats()).toMatchObject({ healthCheckFailures: 0, totalConnections: 1 })
  })

  it('the check is `echo ok`, and a connection that fails it is removed', async () => {
    const choosy = await OpenSSHServer.start({ config: [String.raw`ForceCommand sh -c 'test "$SSH_ORIGINAL_COMMAND" != "echo ok"'`] })
    onTestFinished(() => choosy.stop())
    process.env['SSH_POOL_HEALTH_CHECK_INTERVAL_MS'] = '50'
    expect(await executeSSHCommand(choosy.target(), 'true')).toMatchObject({ ok: true })
    await until('the connection is removed', () => getGlobalPool().getStats().totalConnections === 0)
    expect(getGlobalPool().getStats()).toMatchObject({ healthCheckFailures: 1, healthChecksPassed: 0 })
  })

  it('checks nothing when told not to', async () => {
    process.env['SSH_POOL_HEALTH_CHECKS'] = 'false'
    process.env['SSH_POOL_HEALTH_CHECK_INTERVAL_MS'] = '20'
    await executeSSHCommand(server.target(), 'true')
    // The first connection is idle for fifteen intervals meanwhile.
    await executeSSHCommand(server.target({ host: '127.0.0.2' }), 'sleep 0.3')
    expect(getGlobalPool().getStats()).toMatchObject({ healthCheckFailures: 0, healthChecksPassed: 0, totalConnections: 2 })
  })

  it('is not the pool of getInstance, and a disposed one is followed by a new one', async () => {
    const first = getGlobalPool()
    expect(first).not.toBe(SSHConnectionPool.getInstance())
    await first.dispose()
    expect(getGlobalPool()).not.toBe(first)
    expect(await executeSSHCommand(server.target(), 'echo again')).toMatchObject({ stdout: 'again\n' })
  })
})
