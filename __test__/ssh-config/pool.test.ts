import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { generateKey } from '../support/keys'
import { SSHAdapter, SSHConnectionPool, type SSHTarget } from '../support/native'
import { OpenSSHServer, TEST_PASSWORD, TEST_USER } from '../support/openssh'
import { runNode } from '../support/run-script'

let server: OpenSSHServer
let pool: SSHConnectionPool
let count = 0

beforeAll(async () => { server = await OpenSSHServer.start({ addresses: ['127.0.0.1', '127.0.0.2'] }) })
afterAll(async () => { await server.stop() })
afterEach(async () => { await pool.dispose() })

function newPool(options: ConstructorParameters<typeof SSHConnectionPool>[0] = {}): SSHConnectionPool {
  pool = new SSHConnectionPool(options)
  return pool
}

function config(text: string): string {
  const path = join(server.directory, `config-${count += 1}`)
  writeFileSync(path, text)
  return path
}

const usual = (extra = ''): string => config(`${extra}
Host web
  HostName 127.0.0.1
Host *
  Port ${server.port}
  User ${TEST_USER}
  IdentityFile ${server.directory}/no-such-key
  IdentityFile ${server.userKey.path}
  UserKnownHostsFile ${server.knownHosts}
  StrictHostKeyChecking accept-new
`)

describe('sshConfig', () => {
  it('says everything but the name', async () => {
    const result = await newPool().exec({ host: 'web', sshConfig: usual() }, 'echo $USER $SSH_CONNECTION')
    expect(result.stdout).toMatch(new RegExp(`^${TEST_USER} .* 127\\.0\\.0\\.1 ${server.port}\\n$`))
    expect(pool.getConnections()).toMatchObject([{ host: '127.0.0.1', port: server.port, username: TEST_USER }])
  })

  it('two names of the same target share a connection; so does the target said in full', async () => {
    const sshConfig = usual('Host other\n  HostName 127.0.0.1\n')
    newPool()
    for (const host of ['web', 'other', 'web']) await pool.exec({ host, sshConfig }, 'true')
    await Promise.all([pool.exec({ host: 'web', sshConfig }, 'true'), pool.exec({ host: '127.0.0.1', sshConfig }, 'true')])
    expect(pool.getStats().connectionsCreated).toBe(1)
  })

  it('of several identity files the one that the server takes logs in', async () => {
    const stranger = generateKey(server.directory, 'stranger')
    const sshConfig = usual(`IdentityFile ${stranger.path}\n`)
    expect(await newPool().exec({ host: 'web', sshConfig }, 'whoami')).toMatchObject({ stdout: `${TEST_USER}\n` })
    const refused = config(`Host *\n IdentityFile ${stranger.path}\n HostName 127.0.0.1\n UserKnownHostsFile ${server.knownHosts}\n`)
    const error = await failureOf(pool.exec({ host: 'web', sshConfig: refused, port: server.port, username: TEST_USER, hostKeyChecking: 'accept-new' }, 'true'))
    expect(error).toMatchObject({ code: 'EAUTH' })
  })

  it('what the target says wins', async () => {
    const sshConfig = config(`Host web\n HostName 127.0.0.1\n Port 1\n User nobody\n IdentityFile /none\n StrictHostKeyChecking yes\n UserKnownHostsFile /none\n`)
    const result = await newPool().exec(server.target({ host: 'web', hostKeyChecking: 'accept-new', sshConfig }), 'whoami')
    expect(result.stdout).toBe(`${TEST_USER}\n`)
    // Also inside of the configuration: Match user sees what the target says.
    const matching = config(`Match user ${TEST_USER}\n HostName 127.0.0.2\n`)
    await pool.exec(server.target({ host: 'web', sshConfig: matching }), 'true')
    expect(pool.getConnections().map(({ host }) => host)).toEqual(['127.0.0.1', '127.0.0.2'])
  })

  it('the file wins over the pool, the target over the file', async () => {
    const sshConfig = usual('ConnectTimeout 1\nProxyCommand sleep 30\n')
    const timedOut = async (target: Partial<SSHTarget>): Promise<unknown> =>
      (await failureOf(pool.exec({ host: 'web', sshConfig, ...target }, 'true'))).message
    newPool({ connectionTimeout: 20_000, hosts: { web: { connectionTimeout: 19_000 } } })
    expect(await timedOut({})).toContain('timed out after 1000 ms')
    expect(await timedOut({ poolConfig: { connectionTimeout: 200 } })).toContain('timed out after 200 ms')
  })

  it('the pool\'s rules know a host by both of its names', async () => {
    const sshConfig = usual()
    newPool({ hosts: { web: { enabled: false } } })
    await pool.exec({ host: 'web', sshConfig }, 'true')
    await pool.exec({ host: 'web', sshConfig }, 'true')
    expect(pool.getStats().connectionsCreated).toBe(2)
    await pool.dispose()
    newPool({ hosts: { '127.0.0.*': { enabled: false } } })
    await pool.exec({ host: 'web', sshConfig }, 'true')
    await pool.exec({ host: 'web', sshConfig }, 'true')
    expect(pool.getStats().connectionsCreated).toBe(2)
  })

  it('a host key is looked up under its alias', async () => {
    const known = join(server.directory, 'alias_known_hosts')
    const sshConfig = config(`Host web\n HostName 127.0.0.1\n HostKeyAlias the-web\n UserKnownHostsFile ${known}\n StrictHostKeyChecking accept-new\n`)
    await newPool().exec({ host: 'web', sshConfig, port: server.port, username: TEST_USER, password: TEST_PASSWORD }, 'true')
    await pool.dispose()
    const strict = config(`Host *\n HostKeyAlias the-web\n UserKnownHostsFile ${known}\n StrictHostKeyChecking ask\n`)
    newPool()
    const login = { port: server.port, username: TEST_USER, password: TEST_PASSWORD }
    expect(await pool.exec({ host: '127.0.0.2', sshConfig: strict, ...login }, 'echo known')).toMatchObject({ stdout: 'known\n' })
    const other = config(`Host *\n HostKeyAlias another\n UserKnownHostsFile ${known}\n StrictHostKeyChecking yes\n`)
    const error = await failureOf(pool.exec({ host: '127.0.0.2', sshConfig: other, ...login }, 'true'))
    expect(error).toMatchObject({ code: 'EHOSTKEY' })
    expect(error.message).toContain('another')
  })

  it('a line that cannot be read is named; nothing is dialed', async () => {
    const path = config('Host web\n  Port none\n')
    const error = await failureOf(newPool().exec({ host: 'web', sshConfig: path }, 'true'))
    expect(error).toMatchObject({ code: 'ESSHCONFIG', kind: 'invalid-usage', phase: 'queue', reached: false })
    expect(error.message).toContain(`${path} line 2: 'none' is not a port`)
    expect(await failureOf(pool.exec({ host: 'web', sshConfig: `${path}.missing` }, 'true'))).toMatchObject({ code: 'ESSHCONFIG', kind: 'not-found' })
    for (const ends of [pool.spawn({ host: 'web', sshConfig: path }, 'true').done, pool.getConnection({ host: 'web', sshConfig: path })]) {
      expect(await failureOf(ends)).toMatchObject({ code: 'ESSHCONFIG' })
    }
    expect(await failureOf(pool.warmUp([{ host: 'web', sshConfig: path }]))).toMatchObject({ code: 'ESSHCONFIG' })
    expect(pool.getStats()).toMatchObject({ connectionsCreated: 0, connectionsFailed: 0 })
  })

  it('jump hosts that lead in a circle are an error', async () => {
    const sshConfig = config('Host a\n ProxyJump b\nHost b\n ProxyJump a\n')
    const error = await failureOf(newPool().exec({ host: 'a', sshConfig, username: 'x' }, 'true'))
    expect(error).toMatchObject({ code: 'ESSHCONFIG' })
    expect(error.message).toContain('circle')
  })

  it('Match exec runs nothing unless it is asked for', async () => {
    const trace = join(server.directory, 'trace')
    const sshConfig = usual(`Match exec "echo ran >> ${trace}; false"\n  Port 1\n`)
    const traces = async (): Promise<string> => (await pool.exec(server.target(), `cat ${trace} 2>/dev/null || true`)).stdout
    newPool()
    await pool.exec({ host: 'web', sshConfig }, 'true')
    expect(await traces()).toBe('')
    await pool.exec({ host: 'web', sshConfig, sshConfigExec: true }, 'true')
    expect(await traces()).toBe('ran\n')
  })

  it('reads off the event loop', async () => {
    const many = Array.from({ length: 20_000 }, (_, number) => `Host h${number}-*\n  User u${number}\n  IdentityFile ~/.ssh/k${number}\n`).join('')
    const sshConfig = usual(many)
    newPool()
    await pool.exec({ host: '127.0.0.1', sshConfig: usual() }, 'true')
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    await Promise.all(Array.from({ length: 20 }, () => pool.exec({ host: 'web', sshConfig }, 'true')))
    delay.disable()
    // Reading and walking 60,000 lines twenty times over takes seconds of somebody else's time.
    expect(delay.max / 1e6).toBeLessThan(500)
  })

  it('true reads the user\'s own file, which must be private', async () => {
    const home = join(server.directory, 'home')
    mkdirSync(join(home, '.ssh'), { recursive: true, mode: 0o700 })
    const file = join(home, '.ssh/config')
    writeFileSync(file, `Include servers/*.conf\nHost *\n  UserKnownHostsFile ~/.ssh/known\n  StrictHostKeyChecking accept-new\n`, { mode: 0o600 })
    mkdirSync(join(home, '.ssh/servers'), { mode: 0o700 })
    writeFileSync(join(home, '.ssh/servers/web.conf'), `Host web\n  HostName 127.0.0.1\n  Port ${server.port}\n  User ${TEST_USER}\n  IdentityFile ${server.userKey.path}\n`, { mode: 0o600 })
    const program = join(server.directory, 'standard.mjs')
    writeFileSync(program, `import { SSHConnectionPool } from ${JSON.stringify(join(__dirname, '../../index.mjs'))}
const pool = new SSHConnectionPool()
console.log(await pool.exec({ host: 'web', sshConfig: true }, 'whoami').then(({ stdout }) => stdout.trim(), ({ code, message }) => code + ' ' + message))
await pool.dispose()
`)
    const ask = async (): Promise<string> => (await runNode([program], { HOME: home })).stdout.trim()
    newPool()
    expect(await ask()).toBe(TEST_USER)
    chmodSync(file, 0o666)
    expect(await ask()).toMatch(/^ESSHCONFIG .*home\/\.ssh\/config: others may write/)
  })

  it('false reads nothing', async () => {
    await newPool().exec(server.target({ sshConfig: false }), 'true')
    expect(await failureOf(pool.exec({ host: 'web.invalid', sshConfig: false, username: 'x' }, 'true'))).toMatchObject({ code: 'ENOTFOUND' })
  })
})

describe('the adapter passes it on', () => {
  it('as options of a command and as its defaults', async () => {
    newPool()
    const sshConfig = usual()
    const command = (host: string, options: Partial<SSHTarget> = {}): Parameters<SSHAdapter['execute']>[0] =>
      ({ command: 'echo', args: [host], adapterOptions: Object.assign({ type: 'ssh' }, { host, ...options }) })
    const adapter = new SSHAdapter()
    expect(await adapter.execute(command('web', { sshConfig }))).toMatchObject({ stdout: 'web\n' })
    await adapter.dispose()
    const hop = server.target({ host: '127.0.0.2' })
    const configured = new SSHAdapter({ defaultConnectOptions: { sshConfig, jumpHost: hop } })
    expect(await configured.execute(command('web'))).toMatchObject({ stdout: 'web\n' })
    expect(configured.getConnectionPoolMetrics().totalConnections).toBe(2)
    // A way of its own replaces the default one.
    expect(await configured.execute(command('web', { proxy: { command: `nc %h %p 2>/dev/null || exec ssh -F none -i ${server.userKey.path} -o UserKnownHostsFile=${server.knownHosts} -p ${server.port} -W %h:%p ${TEST_USER}@127.0.0.1` } }))).toMatchObject({ stdout: 'web\n' })
    await configured.dispose()
  })
})
