import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { failureOf, visible } from '../support/failure'
import { SSHConnectionPool } from '../support/native'
import { OpenSSHServer, TEST_USER } from '../support/openssh'
import { freePort } from '../support/ports'
import { descendants, isRunning } from '../support/processes'
import { HostileProxy, HttpProxy, Socks5Proxy } from '../support/proxies'
import { until } from '../support/wait'

const SECRET = 'pr0xy pa$$:wörd'
const login = { username: 'us er', password: SECRET }
const credentials = `${encodeURIComponent(login.username)}:${encodeURIComponent(SECRET)}`

let server: OpenSSHServer
let pool: SSHConnectionPool
const open: { stop: () => Promise<void> }[] = []

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })

const newPool = (): SSHConnectionPool => {
  pool = new SSHConnectionPool({ connectionTimeout: 10_000 })
  return pool
}

async function running<T extends { start: () => Promise<T>, stop: () => Promise<void> }>(proxy: T): Promise<T> {
  open.push(proxy)
  return proxy.start()
}

afterEach(async () => {
  await pool.dispose()
  for (const one of open.splice(0)) await one.stop()
})

const KINDS = [
  ['SOCKS5', 'socks5', Socks5Proxy],
  ['HTTP', 'http', HttpProxy],
] as const

describe.each(KINDS)('%s', (name, scheme, Kind) => {
  it('connects, and the proxy resolves the name', async () => {
    const proxy = await running(new Kind(undefined, { 'only.the.proxy.knows': '127.0.0.1' }))
    const target = server.target({ host: 'only.the.proxy.knows', proxy: `${scheme}://127.0.0.1:${proxy.port}` })
    expect(await newPool().exec(target, 'whoami')).toMatchObject({ stdout: `${TEST_USER}\n`, ok: true })
    expect(proxy.asked).toEqual([{ host: 'only.the.proxy.knows', port: server.port }])
    // One connection serves many commands, and much data.
    const { stdout } = await pool.exec(target, 'head -c 3000000 /dev/zero | tr "\\0" x')
    expect(stdout.length).toBe(3_000_000)
    expect(proxy.asked.length).toBe(1)
  })

  it('addresses are passed on as addresses', async () => {
    const proxy = await running(new Kind())
    const target = server.target({ proxy: `${scheme}://127.0.0.1:${proxy.port}` })
    await newPool().exec(target, 'true')
    expect(proxy.asked).toEqual([{ host: '127.0.0.1', port: server.port }])
  })

  it('logs in with user name and password', async () => {
    const proxy = await running(new Kind(login))
    await newPool().exec(server.target({ proxy: `${scheme}://${credentials}@127.0.0.1:${proxy.port}` }), 'true')
    expect(proxy.asked.length).toBe(1)
  })

  it('a refused login says so, and no secret is shown', async () => {
    const proxy = await running(new Kind(login))
    const events: unknown[] = []
    newPool().on('connection:failed', (...args: unknown[]) => events.push(args))
    const wrong = `${scheme}://user:${encodeURIComponent('wr0ng secret')}@127.0.0.1:${proxy.port}`
    const error = await failureOf(pool.exec(server.target({ proxy: wrong }), 'true'))
    expect(error).toMatchObject({ code: 'EPROXY', kind: 'authentication', phase: 'dial', reached: false })
    expect(error.message).toContain(`The ${name} proxy 127.0.0.1:${proxy.port}`)
    expect(error.message).toContain('refuses our user name and password')
    expect(visible(error) + visible(events.flat().find((event) => event instanceof Error))).not.toMatch(/wr0ng/)
    const none = await failureOf(pool.exec(server.target({ proxy: `${scheme}://127.0.0.1:${proxy.port}` }), 'true'))
    expect(none).toMatchObject({ code: 'EPROXY', kind: 'authentication' })
    expect(none.message).toContain('put them into the proxy\'s address')
  })

  it('never shares a connection between proxies or their logins', async () => {
    const first = await running(new Kind())
    const second = await running(new Kind())
    newPool()
    for (const address of [`127.0.0.1:${first.port}`, `127.0.0.1:${second.port}`, `a:b@127.0.0.1:${first.port}`, `a:c@127.0.0.1:${first.port}`]) {
      await pool.exec(server.target({ proxy: `${scheme}://${address}` }), 'true')
    }
    await pool.exec(server.target(), 'true')
    expect(pool.getStats().connectionsCreated).toBe(5)
    expect(pool.getConnections().map(({ key }) => key).join()).not.toMatch(/a:b|a:c/)
  })

  it('a far side that is not there', async () => {
    const proxy = await running(new Kind())
    const port = await freePort()
    const error = await failureOf(newPool().exec(server.target({ port, proxy: `${scheme}://127.0.0.1:${proxy.port}` }), 'true'))
    expect(error).toMatchObject({ code: 'EPROXY', kind: 'connection-refused', phase: 'dial' })
    expect(error.message).toContain(`127.0.0.1:${port}`)
  })

  it('a proxy that is not there', async () => {
    const port = await freePort()
    const error = await failureOf(newPool().exec(server.target({ proxy: `${scheme}://127.0.0.1:${port}` }), 'true'))
    expect(error).toMatchObject({ code: 'EPROXY', kind: 'connection-refused' })
    expect(visible(error.cause)).toContain(`127.0.0.1:${port}`)
  })

  it('a proxy that says nothing ends with the connection timeout, which says so', async () => {
    const proxy = await running(new HostileProxy(''))
    const target = server.target({ proxy: `${scheme}://127.0.0.1:${proxy.port}`, poolConfig: { connectionTimeout: 300 } })
    const error = await failureOf(newPool().exec(target, 'true'))
    expect(error).toMatchObject({ code: 'ETIMEDOUT', phase: 'dial' })
    expect(visible(error.cause)).toContain(`The ${name} proxy 127.0.0.1:${proxy.port} has not connected us`)
    await until('the proxy is left', () => proxy.sockets.size === 0)
  })

  it.each([
    ['garbage', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n')],
    ['an error page', 'HTTP/1.0 500 No\r\n\r\n'],
    ['a reply that begins well', Buffer.from([5, 0, 5, 0, 0, 9, 9, 9, 9])],
    ['a status that is none', 'HTTP/1.1 OK fine\r\n\r\n'],
  ])('%s is refused', async (_, answer) => {
    const proxy = await running(new HostileProxy(answer))
    const error = await failureOf(newPool().exec(server.target({ proxy: `${scheme}://127.0.0.1:${proxy.port}` }), 'true'))
    expect(error).toMatchObject({ code: 'EPROXY', phase: 'dial' })
    await until('the proxy is left', () => proxy.sockets.size === 0)
  })

  it('an answer without end is refused early', async () => {
    const proxy = await running(new HostileProxy(scheme === 'http' ? `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(65_536)}` : Buffer.alloc(65_536, 5), true))
    const error = await failureOf(newPool().exec(server.target({ proxy: `${scheme}://127.0.0.1:${proxy.port}` }), 'true'))
    expect(error).toMatchObject({ code: 'EPROXY' })
    await until('the proxy is left', () => proxy.sockets.size === 0)
    // What the kernels buffer, and no more.
    expect(proxy.sent).toBeLessThan(32 * 1024 * 1024)
  })
})

describe('a command as the proxy', () => {
  const relay = (): string => {
    const path = join(server.directory, 'relay.mjs')
    writeFileSync(path, `import { connect } from 'node:net'
const [host, port] = process.argv.slice(2)
const socket = connect(Number(port), host)
process.stdin.pipe(socket).pipe(process.stdout)
socket.on('close', () => process.exit(0))
`)
    return `${process.execPath} ${path}`
  }
  const children = (): number[] => descendants(process.pid).filter(isRunning)
  const since = (before: Set<number>): number[] => children().filter((child) => !before.has(child))

  it('its input and output are the line; it ends with the connection', async () => {
    const before = new Set(children())
    const target = server.target({ proxy: { command: `exec 3>&1; ${relay()} %h %p` } })
    expect(await newPool().exec(target, 'echo over a command')).toMatchObject({ stdout: 'over a command\n' })
    await pool.exec(target, 'true')
    expect(pool.getStats()).toMatchObject({ connectionsCreated: 1 })
    expect(since(before)).not.toHaveLength(0)
    await pool.closeAll()
    await until('the command has ended', () => since(before).length === 0)
  })

  it('tokens stand for user, host and port; a percent sign is doubled', async () => {
    const file = join(server.directory, 'tokens')
    const target = server.target({ proxy: { command: `echo '%r %h %p %n 100%%' > ${file}; exec ${relay()} %h %p` } })
    await newPool().exec(target, 'true')
    expect(execFileSync('cat', [file], { encoding: 'utf8' })).toBe(`${TEST_USER} 127.0.0.1 ${server.port} 127.0.0.1 100%\n`)
  })

  it('over the real client: ssh -W', async () => {
    const command = `ssh -F none -i ${server.userKey.path} -o UserKnownHostsFile=${server.knownHosts}.w -o StrictHostKeyChecking=accept-new -p ${server.port} -W %h:%p ${TEST_USER}@127.0.0.1`
    expect(await newPool().exec(server.target({ proxy: { command } }), 'whoami')).toMatchObject({ stdout: `${TEST_USER}\n` })
  })

  it('one that fails: its last words are in the error, the command is not', async () => {
    const command = 'echo first >&2; echo "no route to the moon" >&2; : t0psecret; exit 7'
    const error = await failureOf(newPool().exec(server.target({ proxy: { command } }), 'true'))
    expect(error).toMatchObject({ code: 'EPROXY', phase: 'dial', reached: false })
    expect(error.message).toContain('the proxy command ended with exit code 7: first; no route to the moon')
    expect(visible(error)).not.toContain('t0psecret')
  })

  it('one that is not there', async () => {
    const error = await failureOf(newPool().exec(server.target({ proxy: { command: '/no/such/program' } }), 'true'))
    expect(error).toMatchObject({ code: 'EPROXY' })
    expect(error.message).toContain('exit code 127')
  })

  it('one that says nothing is ended by the connection timeout', async () => {
    const before = new Set(children())
    const target = server.target({ proxy: { command: 'sleep 60; true' }, poolConfig: { connectionTimeout: 300 } })
    const error = await failureOf(newPool().exec(target, 'true'))
    expect(error).toMatchObject({ code: 'ETIMEDOUT' })
    expect(visible(error.cause)).toContain('The proxy command')
    await until('the command has ended', () => since(before).length === 0)
  })

  it('one that floods is refused', async () => {
    const before = new Set(children())
    const error = await failureOf(newPool().exec(server.target({ proxy: { command: 'yes' }, poolConfig: { connectionTimeout: 3_000 } }), 'true'))
    expect(error.code).toMatch(/EPROXY|EHANDSHAKE|ETIMEDOUT/)
    await until('the command has ended', () => since(before).length === 0)
  })

  it('one that dies under a running command: the error says so', async () => {
    const before = new Set(children())
    const running = failureOf(newPool().exec(server.target({ proxy: { command: `${relay()} %h %p` } }), 'sleep 30'))
    await server.runs('sleep')
    for (const pid of since(before).filter((child) => descendants(child).length === 0)) {
      if (execFileSync('cat', [`/proc/${pid}/cmdline`], { encoding: 'utf8' }).includes('relay.mjs')) process.kill(pid, 'SIGKILL')
    }
    const error = await running
    expect(error).toMatchObject({ code: 'ECONNLOST', reached: true })
    expect(visible(error.cause)).toMatch(/the proxy command (was killed|ended with exit code 137)/)
  })

  it('names that a shell would act on are refused', async () => {
    const error = await failureOf(newPool().exec(server.target({ username: 'a;b', proxy: { command: 'nc %h %p' } }), 'true'))
    expect(error).toMatchObject({ code: 'EINVAL_OPTION', option: 'proxy.command' })
  })
})
