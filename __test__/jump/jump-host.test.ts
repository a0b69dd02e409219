import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Dropbear } from '../support/dropbear'
import { failureOf, visible } from '../support/failure'
import { Gate } from '../support/gate'
import { SSHConnectionPool, type SSHTarget } from '../support/native'
import { OpenSSHServer, TEST_PASSWORD, TEST_USER } from '../support/openssh'
import { freePort } from '../support/ports'
import { HttpProxy, Socks5Proxy } from '../support/proxies'
import { until } from '../support/wait'

const HOP = '127.0.0.2'
const TARGETS = ['127.0.0.3', '127.0.0.4', '127.0.0.5'] as const

let hop: OpenSSHServer
let far: OpenSSHServer
let pool: SSHConnectionPool

beforeAll(async () => {
  hop = await OpenSSHServer.start({ addresses: [HOP, '127.0.0.6'], logLevel: 'DEBUG1', config: ['MaxSessions 0'] })
  far = await OpenSSHServer.start({ addresses: [...TARGETS] })
})
afterAll(async () => {
  await hop.stop()
  await far.stop()
})
afterEach(async () => { await pool.dispose() })

function newPool(options: ConstructorParameters<typeof SSHConnectionPool>[0] = {}): SSHConnectionPool {
  pool = new SSHConnectionPool({ connectionTimeout: 15_000, ...options })
  return pool
}

const viaHop = (extra: Partial<SSHTarget> = {}): SSHTarget => hop.target({ host: HOP, ...extra })
const target = (extra: Partial<SSHTarget> = {}): SSHTarget => far.target({ host: TARGETS[0], jumpHost: viaHop(), ...extra })

/** How many connections the hop has passed on to this address. */
const passedOn = (host: string): Promise<number> => hop.counted(new RegExp(`direct_tcpip: originator .* target ${host.replaceAll('.', '\\.')} port ${far.port}`))
const logins = (server: OpenSSHServer): Promise<number> => server.counted(/^Accepted publickey/)

describe('a jump host', () => {
  it('carries commands; it is pooled, and allows no sessions of its own', async () => {
    const [before, loginsBefore] = [await passedOn(TARGETS[0]), await logins(hop)]
    expect(await newPool().exec(target(), 'whoami; echo $SSH_CONNECTION')).toMatchObject({
      stdout: expect.stringMatching(new RegExp(`^${TEST_USER}\\n127\\.0\\.0\\.\\d+ \\d+ ${TARGETS[0]} ${far.port}\\n$`)) as string,
    })
    // Another host and another login behind the same hop: two connections of their own, the same one to the hop.
    await pool.exec(target({ host: TARGETS[1] }), 'true')
    await pool.exec(target({ host: TARGETS[0] }), 'true')
    expect(await passedOn(TARGETS[0])).toBe(before + 1)
    expect(await passedOn(TARGETS[1])).toBe(1)
    expect(await logins(hop)).toBe(loginsBefore + 1)
    expect(pool.getConnections().map(({ host, channels, state }) => ({ host, channels, state }))).toEqual([
      { host: HOP, channels: 2, state: 'active' },
      { host: TARGETS[0], channels: 0, state: 'idle' },
      { host: TARGETS[1], channels: 0, state: 'idle' },
    ])
    // The figures are about commands.
    expect(pool.getStats()).toMatchObject({ poolMisses: 2, poolHits: 1, permitsGranted: 3, commandsRun: 3, connectionsCreated: 3 })
  })

  it('the same target is another one without the hop, or behind another', async () => {
    newPool()
    await pool.exec(target(), 'true')
    await pool.exec(target({ jumpHost: undefined }), 'true')
    await pool.exec(target({ jumpHost: viaHop({ host: '127.0.0.6' }) }), 'true')
    await pool.exec(target({ jumpHost: viaHop({ username: TEST_USER, privateKey: undefined, password: TEST_PASSWORD }) }), 'true')
    const keys = pool.getConnections().filter(({ host }) => host === TARGETS[0]).map(({ key }) => key)
    expect(new Set(keys).size).toBe(4)
  })

  it('eight commands at once, and much data both ways', async () => {
    newPool()
    const data = Buffer.alloc(4_000_000, 'x')
    const echoed = await Promise.all(Array.from({ length: 8 }, () => pool.exec(target(), 'cat', { stdin: data, maxBuffer: data.length, encoding: 'buffer' })))
    for (const { stdout } of echoed) expect(stdout.equals(data)).toBe(true)
  })

  it('streams have a hop of their own, so that an unread one holds up nobody', async () => {
    newPool()
    await pool.exec(target(), 'true')
    const unread = pool.spawn(target(), 'yes')
    await far.runs('yes')
    for (let turn = 0; turn < 20; turn += 1) await pool.exec(target(), 'head -c 100000 /dev/zero')
    expect(pool.getConnections().filter(({ host }) => host === HOP).length).toBe(2)
    unread.kill('SIGKILL')
    unread.stdout.resume()
    expect(await unread.done).toMatchObject({ signal: 'SIGKILL' })
  })

  it('is used as long as something runs through it, and idles out after that', async () => {
    newPool({ idleTimeout: 300, hosts: { [HOP]: { idleTimeout: 100 } } })
    await pool.exec(target(), 'true')
    // Without its user, the hop would have been gone long before the target.
    const seen = new Set<string>()
    await until('both are gone', () => {
      const hosts = pool.getConnections().filter(({ state }) => state !== 'closing').map(({ host }) => host)
      seen.add(hosts.join())
      return hosts.length === 0
    })
    expect([...seen]).not.toContain(TARGETS[0])
    expect(seen).toContain(`${HOP},${TARGETS[0]}`)
  })

  it('closing what is idle closes the hop as well', async () => {
    newPool()
    await pool.exec(target(), 'true')
    expect(await pool.closeIdleConnections()).toBe(2)
    expect(pool.getConnections()).toEqual([])
  })

  it('removing the hop lets what runs through it end', async () => {
    newPool()
    const gate = new Gate(far)
    const running = pool.exec(target(), `${gate.wait}; echo done`)
    await until('it runs', () => pool.getConnections().some(({ host, channels }) => host === TARGETS[0] && channels === 1))
    expect(await pool.removeConnection(viaHop())).toBe(1)
    gate.open()
    expect(await running).toMatchObject({ stdout: 'done\n' })
    gate.close()
    expect(await pool.exec(target({ host: TARGETS[1] }), 'echo anew')).toMatchObject({ stdout: 'anew\n' })
  })

  it('draining serves who waits for a hop that is not there yet', async () => {
    newPool()
    const running = pool.exec(target(), 'echo served')
    expect(await pool.drain()).toBe(true)
    expect(await running).toMatchObject({ stdout: 'served\n' })
    expect(pool.getConnections()).toEqual([])
  })

  it('a pool that is forgotten lets go of both', async () => {
    const before = hop.count(/^Connection closed by|^Disconnected from/)
    newPool()
    await pool.exec(target(), 'true')
    await pool.dispose()
    expect(pool.getConnections()).toEqual([])
    await until('the hop has seen the end', () => hop.count(/^Connection closed by|^Disconnected from/) > before)
  })
})

describe('two hops', () => {
  it('each is pooled, reached through the one before, and checked', async () => {
    const middle = await OpenSSHServer.start({ addresses: ['127.0.0.7'], logLevel: 'DEBUG1', config: ['AllowUsers nobody xectest'] })
    try {
      const chain = [viaHop(), middle.target({ host: '127.0.0.7' })]
      expect(await newPool().exec(target({ jumpHost: chain }), 'echo far')).toMatchObject({ stdout: 'far\n' })
      expect(await hop.counted(new RegExp(`direct_tcpip: originator .* target 127\\.0\\.0\\.7 port ${middle.port}`))).toBe(1)
      expect(await middle.counted(new RegExp(`direct_tcpip: originator .* target ${TARGETS[0]} port ${far.port}`))).toBe(1)
      expect(pool.getConnections().map(({ host }) => host)).toEqual([HOP, '127.0.0.7', TARGETS[0]])
      // The same, one inside the other.
      const nested = middle.target({ host: '127.0.0.7', jumpHost: viaHop() })
      await pool.exec(target({ jumpHost: nested }), 'true')
      expect(pool.getStats().connectionsCreated).toBe(3)
      expect(await pool.closeIdleConnections()).toBe(3)
    } finally {
      await middle.stop()
    }
  })

  it('the first one may be behind a proxy', async () => {
    for (const [scheme, proxy] of [['socks5', new Socks5Proxy()], ['http', new HttpProxy()]] as const) {
      await proxy.start()
      newPool()
      await pool.exec(target({ jumpHost: viaHop({ proxy: `${scheme}://127.0.0.1:${proxy.port}` }) }), 'true')
      expect(proxy.asked).toEqual([{ host: HOP, port: hop.port }])
      await pool.dispose()
      await proxy.stop()
    }
  })
})

describe('limits', () => {
  it.each([
    ['one connection in all', { maxTotalConnections: 1, maxConnections: 1 }],
    ['two connections in all', { maxTotalConnections: 2 }],
    ['one per host', { maxConnections: 1 }],
    ['nothing pooled', { enabled: false, maxTotalConnections: 2 }],
  ])('%s: targets and hops never wait for each other', async (_, limits) => {
    newPool({ ...limits, acquireTimeout: 25_000 })
    const results = await Promise.all(Array.from({ length: 12 }, (__, at) => pool.exec(target({ host: TARGETS[at % 3] }), 'echo $SSH_CONNECTION')))
    expect(results.map(({ stdout }) => stdout.split(' ')[2])).toEqual(Array.from({ length: 12 }, (__, at) => TARGETS[at % 3]))
  })

  it('a host that is hop and target at once, with room for one connection', async () => {
    const both = await OpenSSHServer.start({ addresses: ['127.0.0.8'] })
    try {
      newPool({ maxConnections: 1, maxTotalConnections: 1 })
      const at = (extra: Partial<SSHTarget> = {}): SSHTarget => both.target({ host: '127.0.0.8', ...extra })
      const commands = Array.from({ length: 6 }, (_, number) => pool.exec(number % 2 === 0 ? at() : at({ jumpHost: at() }), `echo ${number}`))
      expect((await Promise.all(commands)).map(({ stdout }) => stdout)).toEqual(['0\n', '1\n', '2\n', '3\n', '4\n', '5\n'])
    } finally {
      await both.stop()
    }
  })
})

describe('when it goes wrong, the error names the hop', () => {
  it('a hop that dies under a running command', async () => {
    newPool()
    const running = failureOf(pool.exec(target(), 'sleep 30'))
    await far.runs('sleep')
    hop.killConnections()
    const error = await running
    expect(error).toMatchObject({ code: 'ECONNLOST', phase: 'run', reached: true, host: TARGETS[0] })
    expect(visible(error.cause)).toContain(`Jump host ${TEST_USER}@${HOP}:${hop.port}: The connection was lost`)
    // And it is made again, hop and all.
    expect(await pool.exec(target(), 'echo again')).toMatchObject({ stdout: 'again\n' })
  })

  it('wrong credentials for the hop', async () => {
    const error = await failureOf(newPool().exec(target({ jumpHost: viaHop({ privateKey: undefined, password: 'wr0ng' }) }), 'true'))
    expect(error).toMatchObject({ code: 'EJUMPHOST', kind: 'authentication', phase: 'dial', reached: false })
    expect(error.message).toContain(`Jump host ${TEST_USER}@${HOP}:${hop.port}: All configured authentication methods failed`)
    expect(visible(error)).not.toContain('wr0ng')
  })

  it('the target refuses us: that is no fault of the hop', async () => {
    const error = await failureOf(newPool().exec(target({ privateKey: undefined, password: 'wr0ng' }), 'true'))
    expect(error).toMatchObject({ code: 'EAUTH', phase: 'authenticate' })
    expect(error.message).not.toContain('Jump host')
  })

  it('an unknown key of the hop is refused before anything is asked of it', async () => {
    const before = await passedOn(TARGETS[2])
    const unknown = viaHop({ hostKeyChecking: 'strict', knownHostsPath: join(hop.directory, 'empty') })
    const error = await failureOf(newPool().exec(target({ host: TARGETS[2], jumpHost: unknown }), 'true'))
    expect(error).toMatchObject({ code: 'EJUMPHOST', kind: 'host-key-mismatch' })
    expect(await passedOn(TARGETS[2])).toBe(before)
  })

  it('an unknown key of the target is refused behind the hop as well', async () => {
    const error = await failureOf(newPool().exec(target({ hostKeyChecking: 'strict', knownHostsPath: join(far.directory, 'empty') }), 'true'))
    expect(error).toMatchObject({ code: 'EHOSTKEY', kind: 'host-key-mismatch' })
  })

  it('a target that the hop cannot reach', async () => {
    const port = await freePort()
    const error = await failureOf(newPool().exec(target({ port }), 'true'))
    expect(error).toMatchObject({ code: 'EJUMPHOST', kind: 'connection-refused', phase: 'dial' })
    expect(error.message).toContain(`${HOP}:${hop.port} does not connect us to ${TARGETS[0]}:${port}: nothing answers there`)
  })

  it('a hop that may not pass on', async () => {
    const closed = await OpenSSHServer.start({ addresses: ['127.0.0.9'], config: [`PermitOpen ${TARGETS[1]}:${far.port}`] })
    try {
      const through = closed.target({ host: '127.0.0.9' })
      const error = await failureOf(newPool().exec(target({ jumpHost: through }), 'true'))
      expect(error).toMatchObject({ code: 'EJUMPHOST', kind: 'permission-denied' })
      expect(error.message).toContain('check AllowTcpForwarding and PermitOpen')
      expect(await pool.exec(target({ host: TARGETS[1], jumpHost: through }), 'echo allowed')).toMatchObject({ stdout: 'allowed\n' })
    } finally {
      await closed.stop()
    }
  })

  it('a hop that is not there', async () => {
    const port = await freePort()
    const error = await failureOf(newPool().exec(target({ jumpHost: viaHop({ port }) }), 'true'))
    expect(error).toMatchObject({ code: 'EJUMPHOST', kind: 'connection-refused' })
    expect(error.message).toContain(`Jump host ${TEST_USER}@${HOP}:${port}: Cannot connect`)
  })
})

describe('as an address', () => {
  it('has the credentials that ssh would have, looked up in the target\'s configuration', async () => {
    const config = join(hop.directory, 'jump_config')
    writeFileSync(config, [
      'Host gate', `  HostName ${HOP}`, `  Port ${hop.port}`, `  IdentityFile ${hop.userKey.path}`, `  UserKnownHostsFile ${hop.knownHosts}`,
      'Host far', `  HostName ${TARGETS[0]}`, `  Port ${far.port}`, `  IdentityFile ${far.userKey.path}`, `  UserKnownHostsFile ${far.knownHosts}`,
      '  ProxyJump gate',
      'Host *', `  User ${TEST_USER}`, '  StrictHostKeyChecking accept-new', '',
    ].join('\n'))
    newPool()
    expect(await pool.exec({ host: 'far', sshConfig: config }, 'echo configured')).toMatchObject({ stdout: 'configured\n' })
    expect(pool.getConnections().map(({ host }) => host)).toEqual([HOP, TARGETS[0]])
    // The same said by the target itself is the same way.
    expect(await pool.exec({ host: 'far', sshConfig: config, jumpHost: 'gate' }, 'echo given')).toMatchObject({ stdout: 'given\n' })
    expect(await pool.exec({ host: 'far', sshConfig: config, jumpHost: [`${TEST_USER}@gate:${hop.port}`] }, 'true')).toMatchObject({ ok: true })
    expect(pool.getStats().connectionsCreated).toBe(2)
    // As an object it speaks for itself, and says nothing of a configuration.
    const error = await failureOf(pool.exec({ host: 'far', sshConfig: config, jumpHost: { host: 'gate.invalid' } }, 'true'))
    expect(error).toMatchObject({ code: 'EJUMPHOST', kind: 'connection-refused' })
  })

  it('inherits no secret', async () => {
    const error = await failureOf(newPool().exec(target({ privateKey: undefined, password: TEST_PASSWORD, jumpHost: `${TEST_USER}@${HOP}:${hop.port}` }), 'true'))
    expect(error).toMatchObject({ code: 'EJUMPHOST', kind: 'authentication' })
  })
})

describe('dropbear as the hop', () => {
  it('passes on as OpenSSH does', async () => {
    const dropbear = await Dropbear.start('127.0.0.10')
    try {
      const through = dropbear.target()
      newPool()
      const running = Array.from({ length: 6 }, (_, at) => pool.exec(target({ host: TARGETS[at % 3], jumpHost: through }), `echo ${at}`))
      expect((await Promise.all(running)).map(({ stdout }) => stdout)).toEqual(['0\n', '1\n', '2\n', '3\n', '4\n', '5\n'])
      expect(pool.getConnections().filter(({ host }) => host === '127.0.0.10').length).toBe(1)
      const port = await freePort()
      expect(await failureOf(pool.exec(target({ port, jumpHost: through }), 'true'))).toMatchObject({ code: 'EJUMPHOST', kind: 'connection-refused' })
    } finally {
      await pool.closeAll()
      await dropbear.stop()
    }
  })
})
