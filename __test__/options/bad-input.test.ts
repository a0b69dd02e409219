import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failureOf, visible } from '../support/failure'
import { InvalidOptionError, SSHAdapter, SSHConnectionPool } from '../support/native'
import { DoorKeeper } from '../support/ports'

/** Values a JavaScript caller can pass in spite of the types. */
type Loose = Record<string, unknown>

let door: DoorKeeper
let pool: SSHConnectionPool
const dialed: string[] = []

beforeAll(async () => {
  door = await DoorKeeper.start()
  pool = new SSHConnectionPool()
  pool.on('connection:created', (host) => dialed.push(host))
  pool.on('connection:failed', (host) => dialed.push(host))
})

afterAll(async () => {
  await pool.dispose()
  await door.stop()
})

async function execLoose(target: unknown, command: unknown, options?: unknown): Promise<unknown> {
  const exec: (...args: never[]) => Promise<unknown> = pool.exec.bind(pool)
  return exec(...([target, command, options] as never[]))
}

const goodTarget = (): Loose => ({ host: '127.0.0.1', port: door.port, username: 'nobody', password: 'x' })

function expectNothingDialed(): void {
  expect(door.visitors).toBe(0)
  expect(dialed).toEqual([])
  expect(pool.getStats()).toMatchObject({ connectionsCreated: 0, connectionsFailed: 0, poolMisses: 0 })
}

const targets: [option: string, target: Loose, says: RegExp][] = [
  ['host', { host: undefined }, /required/],
  ['host', { host: '' }, /non-empty/],
  ['host', { host: 42 }, /string, got 42/],
  ['host', { host: 'user@example.com' }, /username/],
  ['host', { host: 'a b' }, /host name/],
  ['host', { host: 'a\0b' }, /NUL/],
  ['port', { port: 0 }, /1 to 65535, got 0/],
  ['port', { port: 65_536 }, /65536/],
  ['port', { port: -22 }, /-22/],
  ['port', { port: 22.5 }, /integer/],
  ['port', { port: '22' }, /got a string/],
  ['port', { port: Number.NaN }, /NaN/],
  ['port', { port: Number.POSITIVE_INFINITY }, /Infinity/],
  ['username', { username: '' }, /non-empty/],
  ['username', { username: 7 }, /string/],
  ['username', { username: 'a\0' }, /NUL/],
  ['password', { password: 5 }, /string/],
  ['privateKey', { privateKey: {} }, /string or Buffer/],
  ['privateKey', { privateKey: '' }, /non-empty/],
  ['privateKey', { privateKey: Buffer.alloc(0) }, /non-empty/],
  ['privateKey', { privateKey: '/home/a\0b' }, /NUL/],
  ['agent', { agent: 5 }, /true, false or the path/],
  ['agent', { agent: '' }, /non-empty/],
  ['certificate', { certificate: '' }, /non-empty/],
  ['certificate', { certificate: {} }, /string or Buffer/],
  ['identitiesOnly', { identitiesOnly: 'yes' }, /true or false/],
  ['keyboardInteractive', { keyboardInteractive: 'answer' }, /function/],
  ['passphrase', { passphrase: true }, /string/],
  ['controlMaster', { controlMaster: 'yes' }, /one of 'auto'/],
  ['controlPath', { controlPath: '' }, /non-empty/],
  ['controlPath', { controlPath: '/tmp/%x' }, /no token %x/],
  ['controlPath', { controlPath: '/tmp/%%%' }, /no token %/],
  ['controlPersist', { controlPersist: 'soon' }, /as ssh takes it/],
  ['controlPersist', { controlPersist: -1 }, /milliseconds/],
  ['controlPersist', { controlPersist: {} }, /such as '10m'/],
  ['hostKeyChecking', { hostKeyChecking: 'maybe' }, /'accept-new', 'strict', 'off'/],
  ['hostKeyChecking', { hostKeyChecking: false }, /false/],
  ['knownHostsPath', { knownHostsPath: 'a\0b' }, /NUL/],
  ['sshConfig', { sshConfig: 1 }, /true or false/],
  ['sshConfig', { sshConfig: '' }, /non-empty/],
  ['sshConfig', { sshConfig: 'a\0b' }, /NUL/],
  ['sshConfigExec', { sshConfigExec: 'yes' }, /true or false/],
  ['jumpHost', { jumpHost: 7 }, /array of them, got 7/],
  ['jumpHost', { jumpHost: '' }, /non-empty/],
  ['jumpHost', { jumpHost: [] }, /at least one/],
  ['jumpHost', { jumpHost: 'a,,b' }, /user@host:port/],
  ['jumpHost', { jumpHost: '@a' }, /user@host:port/],
  ['jumpHost', { jumpHost: 'a b' }, /host name/],
  ['jumpHost', { jumpHost: 'a:0' }, /1 to 65535/],
  ['jumpHost', { jumpHost: 'a:x' }, /user@host:port/],
  ['jumpHost', { jumpHost: 'ssh://a/path' }, /host name/],
  ['jumpHost', { jumpHost: Array.from({ length: 17 }, () => 'a') }, /at most 16/],
  ['jumpHost.host', { jumpHost: { username: 'a' } }, /required/],
  ['jumpHost.port', { jumpHost: { host: 'a', port: 0 } }, /1 to 65535/],
  ['jumpHost[1].hots', { jumpHost: ['a', { hots: 'b' }] }, /did you mean 'host'/],
  ['jumpHost[1].jumpHost', { jumpHost: ['a', { host: 'b', jumpHost: 'c' }] }, /only the first/],
  ['jumpHost[1].proxy', { jumpHost: ['a', { host: 'b', proxy: 'http://c:1' }] }, /only the first/],
  ['jumpHost.password', { jumpHost: { host: 'a', password: 5 } }, /string/],
  ['proxy', { jumpHost: 'a', proxy: 'http://c:1' }, /belongs to the first/],
  ['proxy', { proxy: 5 }, /object/],
  ['proxy', { proxy: '' }, /non-empty/],
  ['proxy', { proxy: 'proxy:3128' }, /socks5:\/\/ or http:\/\//],
  ['proxy', { proxy: 'just words' }, /address such as/],
  ['proxy', { proxy: 'https://secure:443' }, /socks5:\/\/ or http:\/\//],
  ['proxy', { proxy: 'socks4://old:1080' }, /socks5:\/\/ or http:\/\//],
  ['proxy', { proxy: 'http://host:3128/path' }, /ends with its port/],
  ['proxy', { proxy: 'http://a:99999' }, /address such as/],
  ['proxy', { proxy: `socks5://${'u'.repeat(256)}@a:1` }, /255 bytes/],
  ['proxy', { proxy: 'socks5://a%00b@c:1' }, /not well encoded/],
  ['proxy', { proxy: 'http://a%0d%0aX-Evil:1@c:1' }, /not well encoded/],
  ['proxy.command', { proxy: {} }, /required/],
  ['proxy.command', { proxy: { command: '' } }, /non-empty/],
  ['proxy.command', { proxy: { command: 'nc %x' } }, /tokens/],
  ['proxy.command', { proxy: { command: 'nc %' } }, /tokens/],
  ['proxy.command', { username: '$(id)', proxy: { command: 'nc %h %p' } }, /shell/],
  ['proxy.comand', { proxy: { comand: 'nc' } }, /did you mean 'command'/],
  ['hostKeyVerifier', { hostKeyVerifier: true }, /function.*got true/],
  ['hostKeyVerifier', { hostKeyVerifier: 'SHA256:abc' }, /function.*got a string/],
  ['poolConfig', { poolConfig: [] }, /object/],
  ['poolConfig.maxConnections', { poolConfig: { maxConnections: 0 } }, /1 to/],
  ['poolConfig.channelsPerConnection', { poolConfig: { channelsPerConnection: -1 } }, /-1/],
  ['poolConfig.idleTimeout', { poolConfig: { idleTimeout: -1 } }, /milliseconds/],
  ['poolConfig.connectionTimeout', { poolConfig: { connectionTimeout: 0 } }, /1 to/],
  ['poolConfig.acquireTimeout', { poolConfig: { acquireTimeout: Number.NaN } }, /NaN/],
  ['poolConfig.maxLifetime', { poolConfig: { maxLifetime: Number.POSITIVE_INFINITY } }, /Infinity/],
  ['poolConfig.whenExhausted', { poolConfig: { whenExhausted: 'panic' } }, /'queue', 'fail'/],
  ['poolConfig.keepAlive', { poolConfig: { keepAlive: 'yes' } }, /true or false/],
  ['poolConfig.reconnect.backoff', { poolConfig: { reconnect: { backoff: 'quick' } } }, /'exponential'/],
  ['poolConfig.reconnect.initialDelay', { poolConfig: { reconnect: { initialDelay: 9, maxDelay: 3 } } }, /maxDelay \(3\)/],
  ['poolConfig.maxReconnectAttempts', { poolConfig: { maxReconnectAttempts: -1 } }, /integer/],
  ['poolConfig.warmUpConnections', { poolConfig: { maxConnections: 2, warmUpConnections: 3 } }, /maxConnections \(2\)/],
  ['poolConfig.healthCheck.interval', { poolConfig: { healthCheck: { interval: 0 } } }, /milliseconds/],
  ['poolConfig.minIdle', { poolConfig: { minIdle: -1 } }, /integer/],
  ['poolConfig.minIdle', { poolConfig: { maxConnections: 2, minIdle: 3 } }, /maxConnections \(2\)/],
  ['poolConfig.healthCheck.failureThreshold', { poolConfig: { healthCheck: { failureThreshold: 0 } } }, /integer/],
  ['poolConfig.healthCheck.command', { poolConfig: { healthCheck: { command: '' } } }, /non-empty/],
  ['poolConfig.healthCheck.intervall', { poolConfig: { healthCheck: { intervall: 5 } } }, /did you mean 'interval'/],
  ['poolConfig.reconnect.maxRetries', { poolConfig: { reconnect: { maxRetries: 0.5 } } }, /integer/],
  ['poolConfig.reconnectDelay', { poolConfig: { reconnectDelay: '1s' } }, /milliseconds/],
  ['poolConfig.autoReconnect', { poolConfig: { autoReconnect: 1 } }, /true or false/],
  ['hots', { hots: 'x' }, /did you mean 'host'/],
  ['privatekey', { privatekey: 'x' }, /did you mean 'privateKey'/],
  ['poolConfig.maxConnection', { poolConfig: { maxConnection: 3 } }, /did you mean 'maxConnections'/],
]

const commands: [option: string, command: unknown, options: Loose | undefined, says: RegExp][] = [
  ['command', undefined, {}, /string/],
  ['command', '', {}, /non-empty/],
  ['command', 'echo \0', {}, /NUL/],
  ['command', ['ls'], {}, /array/],
  ['cwd', 'ls', { cwd: '' }, /non-empty/],
  ['cwd', 'ls', { cwd: '/a\0b' }, /NUL/],
  ['env', 'ls', { env: 'A=1' }, /object/],
  ['env["1A"]', 'ls', { env: { '1A': 'x' } }, /digit/],
  ['env["A;rm -rf /"]', 'ls', { env: { 'A;rm -rf /': 'x' } }, /letters/],
  ['env.A', 'ls', { env: { A: 1 } }, /string, got 1/],
  ['env.A', 'ls', { env: { A: 'x\0' } }, /NUL/],
  ['stdin', 'cat', { stdin: 5 }, /stream/],
  ['encoding', 'ls', { encoding: 'klingon' }, /encoding/],
  ['timeout', 'ls', { timeout: -1 }, /milliseconds/],
  ['timeout', 'ls', { timeout: '1s' }, /got a string/],
  ['timeout', 'ls', { timeout: Number.NaN }, /NaN/],
  ['timeout', 'ls', { timeout: Number.POSITIVE_INFINITY }, /Infinity/],
  ['signal', 'ls', { signal: {} }, /AbortSignal/],
  ['maxBuffer', 'ls', { maxBuffer: -1 }, /-1/],
  ['maxBuffer', 'ls', { maxBuffer: 1.5 }, /integer/],
  ['priority', 'ls', { priority: 'high' }, /integer/],
  ['throwOnNonZeroExit', 'ls', { throwOnNonZeroExit: 1 }, /true or false/],
  ['retry.lostConnection', 'ls', { retry: { lostConnection: 'yes' } }, /true or false/],
  ['pty', 'ls', { pty: 'xterm' }, /object/],
  ['pty.columns', 'ls', { pty: { columns: 0 } }, /integer from 1/],
  ['pty.term', 'ls', { pty: { term: '' } }, /non-empty/],
  ['pty.height', 'ls', { pty: { height: 3 } }, /known options are columns, rows, term/],
  ['tiemout', 'ls', { tiemout: 5 }, /did you mean 'timeout'/],
  ['zzz', 'ls', { zzz: 5 }, /known options are cwd, env/],
]

const constructors: [option: string, options: unknown, says: RegExp][] = [
  ['options', 5, /object/],
  ['maxTotalConnections', { maxTotalConnections: 0 }, /1 to/],
  ['cleanupInterval', { cleanupInterval: 0 }, /milliseconds/],
  ['maxQueue', { maxQueue: -5 }, /-5/],
  ['hosts', { hosts: [] }, /host pattern/],
  ['hosts["web-*"].idleTimeout', { hosts: { 'web-*': { idleTimeout: 'long' } } }, /milliseconds/],
  ['maxConections', { maxConections: 3 }, /did you mean 'maxConnections'/],
]

const adapterConfigs: [option: string, config: unknown, says: RegExp][] = [
  ['defaultTimeout', { defaultTimeout: -1 }, /milliseconds/],
  ['defaultConnectOptions.agent', { defaultConnectOptions: { agent: 5 } }, /true, false or the path/],
  ['sudo.method', { sudo: { enabled: true, method: 'telepathy' } }, /one of/],
  ['encoding', { encoding: 'klingon' }, /encoding/],
  ['connectionPool.idleTimeout', { connectionPool: { idleTimeout: null } }, /milliseconds/],
  ['connectionPool.maxConnektions', { connectionPool: { maxConnektions: 1 } }, /did you mean 'maxConnections'/],
  ['sensitiveDataMasking.patterns', { sensitiveDataMasking: { patterns: ['x'] } }, /RegExp/],
  ['defaultEnv["A-B"]', { defaultEnv: { 'A-B': '1' } }, /letters/],
]

describe('a bad option is refused by name before anything is dialed', () => {
  it.each(targets)('target %s: %j', async (option, target, says) => {
    const error = await failureOf(execLoose({ ...goodTarget(), ...target }, 'true'))
    expect(error).toBeInstanceOf(InvalidOptionError)
    expect(error).toMatchObject({ code: 'EINVAL_OPTION', kind: 'invalid-usage', option, reached: false })
    expect(error.message).toContain(`'${option}'`)
    expect(error.message).toMatch(says)
    expectNothingDialed()
  })

  it.each([[undefined], [null], ['host'], [22]])('target %j', async (target) => {
    expect(await failureOf(execLoose(target, 'true'))).toMatchObject({ code: 'EINVAL_OPTION', option: 'target' })
    expectNothingDialed()
  })

  it.each(commands)('exec %s: %j %j', async (option, command, options, says) => {
    const error = await failureOf(execLoose(goodTarget(), command, options))
    expect(error).toMatchObject({ code: 'EINVAL_OPTION', option })
    expect(error.message).toMatch(says)
    expectNothingDialed()
  })
})

const spawns: [option: string, command: unknown, options: Loose, says: RegExp][] = [
  ['command', '', {}, /non-empty/],
  ['stdin', 'cat', { stdin: 5 }, /stream/],
  ['encoding', 'ls', { encoding: 'buffer' }, /encoding/],
  ['maxBuffer', 'ls', { maxBuffer: 5 }, /known options are cwd/],
  ['pty.rows', 'ls', { pty: { rows: 1.5 } }, /integer/],
]

const leases: [option: string, options: unknown, says: RegExp][] = [
  ['options', 5, /object/],
  ['priority', { priority: 'high' }, /integer/],
  ['timeout', { timeout: -1 }, /milliseconds/],
  ['signal', { signal: {} }, /AbortSignal/],
]

describe('spawn and getConnection', () => {
  it.each(spawns)('spawn %s: %j %j', (option, command, options, says) => {
    const spawn: (...args: never[]) => unknown = pool.spawn.bind(pool)
    const start = (): unknown => spawn(...([goodTarget(), command, options] as never[]))
    expect(start).toThrow(expect.objectContaining({ code: 'EINVAL_OPTION', option }))
    expect(start).toThrow(says)
    expectNothingDialed()
  })

  it.each(leases)('getConnection %s: %j', async (option, options, says) => {
    const lease: (...args: never[]) => Promise<unknown> = pool.getConnection.bind(pool)
    const error = await failureOf(lease(...([goodTarget(), options] as never[])))
    expect(error).toMatchObject({ code: 'EINVAL_OPTION', option })
    expect(error.message).toMatch(says)
    expectNothingDialed()
  })
})

describe('constructors check their options', () => {
  const construct = (type: new (...args: never[]) => unknown, options: unknown) => () => new type(...([options] as never[]))

  it.each(constructors)('pool %s: %j', (option, options, says) => {
    expect(construct(SSHConnectionPool, options)).toThrow(expect.objectContaining({ code: 'EINVAL_OPTION', option }))
    expect(construct(SSHConnectionPool, options)).toThrow(says)
  })

  it.each(adapterConfigs)('adapter %s: %j', (option, config, says) => {
    expect(construct(SSHAdapter, config)).toThrow(expect.objectContaining({ code: 'EINVAL_OPTION', option }))
    expect(construct(SSHAdapter, config)).toThrow(says)
  })

  it('configureHost names the option and the pattern', () => {
    const configure: (...args: never[]) => unknown = pool.configureHost.bind(pool)
    expect(() => configure(...(['', {}] as never[]))).toThrow(expect.objectContaining({ option: 'pattern' }))
    expect(() => configure(...(['*', { maxConnections: 'many' }] as never[]))).toThrow(expect.objectContaining({ option: 'maxConnections' }))
  })
})

describe('what a message must not do', () => {
  it('never repeats a value that may be a secret', async () => {
    const error = await failureOf(execLoose({ ...goodTarget(), password: undefined, pasword: 'hunter2' }, 'true'))
    expect(error.message).toContain('password')
    expect(error.message).not.toContain('hunter2')
  })

  it('nor the address of a proxy', async () => {
    for (const proxy of ['ftp://user:hunter2@host', 'http://user:hunter2@host/x', 'socks5://hunter2 @', 'http://hunter2%zz@h:1']) {
      const error = await failureOf(execLoose({ ...goodTarget(), proxy }, 'true'))
      expect(error).toMatchObject({ code: 'EINVAL_OPTION', option: 'proxy' })
      expect(visible(error)).not.toContain('hunter2')
    }
  })

  it('an object that jumps through itself is an error, not an endless walk', async () => {
    const target: Loose = { host: 'a' }
    target['jumpHost'] = target
    expect(await failureOf(execLoose(target, 'true'))).toMatchObject({ code: 'EINVAL_OPTION', option: 'jumpHost' })
  })

  it('takes inherited names for unknown options', async () => {
    const error = await failureOf(execLoose({ ...goodTarget(), constructor: 1 }, 'true'))
    expect(error).toMatchObject({ code: 'EINVAL_OPTION', option: 'constructor' })
  })
})
