import * as core from '@xec-sh/core'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type SSHContext, type XecEngine, createEngine } from '../../xec.mjs'
import { failureOf } from '../support/failure-of'
import { SSHAdapter, SSHConnectionPool } from '../support/native'
import { OpenSSHServer, TEST_USER } from '../support/openssh'
import { freePort } from '../support/ports'
import { runNode } from '../support/run-script'
import { until } from '../support/wait'

let server: OpenSSHServer
let pool: SSHConnectionPool
let $: XecEngine
let ssh: SSHContext

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => {
  await SSHConnectionPool.getInstance().dispose()
  await server.stop()
})
beforeEach(async () => {
  pool = SSHConnectionPool.getInstance()
  await pool.closeAll()
  $ = createEngine()
  ssh = $.ssh(server.target())
})

const logins = (): Promise<number> => server.counted(/^Accepted publickey/)
const nobody = async (): Promise<SSHContext> => $.ssh(server.target({ port: await freePort(), poolConfig: { autoReconnect: false } }))

describe('the connection\'s methods of $.ssh()', () => {
  it('connect() logs in ahead of the first command, and gives the context', async () => {
    const before = await logins()
    expect(await ssh.connect()).toBe(ssh)
    expect(await logins()).toBe(before + 1)
    expect(await ssh`echo ${'there already'}`.text()).toBe('there already')
    expect(pool.getStats()).toMatchObject({ totalConnections: 1, idleConnections: 1, activeChannels: 0 })
    expect(await logins()).toBe(before + 1)
  })

  it('with one connection of one channel, it leaves the channel to the commands', async () => {
    const narrow = $.ssh(server.target({ poolConfig: { maxConnections: 1, channelsPerConnection: 1 } }))
    await narrow.connect()
    narrow.setKeepAlive(true, 50)
    const all = await Promise.all([1, 2, 3].map((number) => narrow`sleep 0.1; echo ${number}`.text()))
    expect(all).toEqual(['1', '2', '3'])
    await narrow.disconnect()
  })

  it('disconnect() and close() take it out of the pool; the next command has a new one', async () => {
    for (const leave of ['disconnect', 'close'] as const) {
      const first = await ssh`echo $SSH_CONNECTION`.text()
      const running = ssh`sleep 0.3; echo ended in peace`.text()
      await server.runs('sleep')
      await ssh[leave]()
      expect(await running).toBe('ended in peace')
      await until('it is closed', () => pool.getStats().totalConnections === 0)
      expect(await ssh`echo $SSH_CONNECTION`.text()).not.toBe(first)
    }
  })

  it('reconnect() leaves a connection for a new one', async () => {
    const first = await ssh`echo $SSH_CONNECTION`.text()
    await ssh.reconnect()
    expect(await ssh`echo $SSH_CONNECTION`.text()).not.toBe(first)
  })

  it('isHealthy() asks the server', async () => {
    expect(await ssh.isHealthy()).toBe(true)
    expect(await (await nobody()).isHealthy({ timeout: 2_000 })).toBe(false)
    await expect(ssh.isHealthy({ timeout: 'soon' } as never)).rejects.toMatchObject({ code: 'EINVAL_OPTION', option: 'timeout' })
    await expect($.ssh(server.target({ port: 0 })).isHealthy()).rejects.toMatchObject({ kind: 'invalid-usage' })
  })

  it('a connection that nobody answers on is not healthy, and reconnect() helps', async () => {
    await ssh.connect()
    const serving = server.serving()
    for (const pid of serving) process.kill(pid, 'SIGSTOP')
    try {
      expect(await ssh.isHealthy({ timeout: 300 })).toBe(false)
    } finally {
      for (const pid of serving) process.kill(pid, 'SIGCONT')
    }
    await ssh.reconnect()
    expect(await ssh.isHealthy()).toBe(true)
  })

  it('setKeepAlive() keeps a connection in use beyond its idle time, until it is told otherwise', async () => {
    const brief = $.ssh(server.target({ poolConfig: { idleTimeout: 2_000 } }))
    const closed: string[] = []
    const listener = (_host: string, reason: string): void => { closed.push(reason) }
    pool.on('connection:closed', listener)
    const before = pool.getStats().permitsGranted
    await brief.connect()
    brief.setKeepAlive(true, 50)
    await until('it has asked for twice that time', () => pool.getStats().permitsGranted > before + 80)
    expect(closed).toEqual([])
    brief.setKeepAlive(false)
    await until('it is closed for idleness', () => closed.length > 0)
    pool.off('connection:closed', listener)
    expect(closed).toEqual(['idle_timeout'])
    expect(() => { brief.setKeepAlive(true, -1) }).toThrow(expect.objectContaining({ code: 'EINVAL_OPTION', option: 'interval' }) as Error)
  })

  it('setKeepAlive() ends with the engine, and rejects nothing that nobody could catch', async () => {
    const unhandled: unknown[] = []
    const listener = (reason: unknown): void => { unhandled.push(reason) }
    process.on('unhandledRejection', listener)
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      ssh.setKeepAlive(true, 1_000)
      expect(vi.getTimerCount()).toBe(1)
      await $.dispose()
      vi.advanceTimersByTime(1_000)
      await vi.waitFor(() => { expect(vi.getTimerCount()).toBe(0) })
      // Node.js tells of rejections when the microtasks are done.
      await new Promise(setImmediate)
      expect(unhandled).toEqual([])
    } finally {
      vi.useRealTimers()
      process.off('unhandledRejection', listener)
    }
  })

  it('ready comes with each connect() and reconnect(), and to those who listen late', async () => {
    const heard: string[] = []
    const always = (): void => { heard.push('always') }
    expect(ssh.on('ready', always).once('ready', () => { heard.push('once') })).toBe(ssh)
    await ssh.connect()
    await ssh.reconnect()
    expect(heard).toEqual(['always', 'once', 'always'])
    await new Promise<void>((resolve) => { ssh.once('ready', resolve) })
    ssh.off('ready', always)
    await ssh.connect()
    expect(heard).toHaveLength(3)
  })

  it('contexts made of it have them too, and its settings', async () => {
    const derived = ssh.cd('/usr').env({ A: 'b c' }).timeout(10_000).shell(true).retry({ maxRetries: 1 })
    await derived.connect()
    expect(await derived`pwd; echo "$A"`.lines()).toEqual(['/usr', 'b c'])
    expect(await derived.isHealthy()).toBe(true)
    await derived.close()
  })

  it('a failure to connect is core\'s own', async () => {
    expect(await failureOf(core.ConnectionError, (await nobody()).connect())).toMatchObject({ kind: 'connection-refused', code: 'CONNECTION_FAILED' })
    await failureOf(core.ConnectionError, (await nobody()).reconnect())
  })

  it('they use the adapter of $.with()', async () => {
    await using adapter = new SSHAdapter()
    await $.with({ adapter }).ssh(server.target()).connect()
    expect(adapter.getConnectionPoolMetrics().connectionsCreated).toBe(1)
    expect(pool.getStats().totalConnections).toBe(0)
  })

  it('after dispose() of the engine they say what is missing', async () => {
    await $.dispose()
    await expect(ssh.connect()).rejects.toMatchObject({ code: 'ENOADAPTER', kind: 'invalid-usage' })
  })
})

describe('a host as text', () => {
  it('$.ssh(text) reads user, host and port', async () => {
    expect(await failureOf(core.ConnectionError, $.ssh(`${TEST_USER}@127.0.0.1:${await freePort()}`).connect())).toMatchObject({ kind: 'connection-refused' })
    expect(() => $.ssh('not a host')).toThrow(expect.objectContaining({ code: 'EINVAL_OPTION' }) as Error)
  })

  it('so does getConnection()', async () => {
    await expect(pool.getConnection(`${TEST_USER}@127.0.0.1:${await freePort()}`, { timeout: 5_000 })).rejects.toMatchObject({ host: '127.0.0.1' })
    await expect(pool.getConnection('not a host')).rejects.toMatchObject({ code: 'EINVAL_OPTION' })
  })
})

describe('core\'s forgotten promise', () => {
  const script = join(__dirname, '../fixtures/exit/caught-failure.mjs')

  it.each(['ready', 'installed'])('a failure that is caught does not end the process: %s', async (engine) => {
    const port = String(await freePort())
    expect(await runNode([script, engine, port, 'caught'], { NODE_ENV: '' })).toMatchObject({ code: 0, stdout: 'caught connection-refused\nstill here\n', stderr: '' })
  })

  it('one that nobody catches does', async () => {
    const { code, stdout } = await runNode([script, 'ready', String(await freePort()), 'uncaught'], { NODE_ENV: '' })
    expect(code).toBe(1)
    expect(stdout).toBe('')
  })
})
