import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { until } from '../support/wait'

let server: OpenSSHServer
let pool: SSHConnectionPool

beforeAll(async () => { server = await OpenSSHServer.start({ addresses: ['127.0.0.1', '127.0.0.2'] }) })
afterAll(async () => { await server.stop() })
beforeEach(() => { pool = new SSHConnectionPool() })
afterEach(async () => { await pool.dispose() })

const WHERE = 'echo $SSH_CONNECTION'

describe('drain', () => {
  it('running commands finish, newcomers are refused, and then the pool can be used again', async () => {
    const drained: Date[] = []
    pool.on('drain', ({ at }) => drained.push(at))
    await pool.exec(server.target({ host: '127.0.0.2' }), 'true')
    const running = pool.exec(server.target(), 'sleep 0.5; echo finished')
    await server.runs('sleep')
    const idleOneClosed = once(pool, 'connection:closed')
    const draining = pool.drain()
    await idleOneClosed
    expect(await failureOf(pool.exec(server.target(), 'true'))).toMatchObject({ code: 'EPOOLCLOSED', reached: false })
    expect(await running).toMatchObject({ stdout: 'finished\n' })
    expect(await draining).toBe(true)
    expect(drained).toHaveLength(1)
    expect(pool.getStats().totalConnections).toBe(0)
    expect(await pool.exec(server.target(), 'echo again')).toMatchObject({ stdout: 'again\n' })
  })

  it('commands that already wait are served', async () => {
    const one = { poolConfig: { maxConnections: 1, channelsPerConnection: 1 } }
    const commands = [1, 2, 3].map((i) => pool.exec(server.target(one), `sleep 0.1; echo ${i}`))
    await until('two commands wait', () => pool.getStats().queued === 2)
    expect(await pool.drain()).toBe(true)
    expect((await Promise.all(commands)).map(({ stdout }) => stdout)).toEqual(['1\n', '2\n', '3\n'])
  })

  it('cuts what is left after the timeout', async () => {
    const cut = failureOf(pool.exec(server.target(), 'echo begun; sleep 300'))
    await server.runs('sleep')
    const began = performance.now()
    expect(await pool.drain({ timeout: 300 })).toBe(false)
    expect(performance.now() - began).toBeGreaterThanOrEqual(290)
    expect(performance.now() - began).toBeLessThan(3_000)
    expect(await cut).toMatchObject({ reached: true, stdout: 'begun\n' })
    expect(pool.getConnections()).toEqual([])
  })

  it('an idle pool is drained at once, twice as well as once', async () => {
    await pool.exec(server.target(), 'true')
    expect(await Promise.all([pool.drain(), pool.drain()])).toEqual([true, true])
    expect(await pool.drain()).toBe(true)
    expect(pool.getStats().totalConnections).toBe(0)
  })

  it('a bad timeout is refused', async () => {
    expect(await failureOf(pool.drain({ timeout: -1 }))).toMatchObject({ code: 'EINVAL_OPTION', option: 'timeout' })
  })
})

describe('removeConnection', () => {
  it('takes a target\'s connections out; a busy one finishes what it does', async () => {
    const kept = pool.exec(server.target(), `sleep 0.5; ${WHERE}`)
    await server.runs('sleep')
    expect(await pool.removeConnection(server.target())).toBe(1)
    const next = await pool.exec(server.target(), WHERE)
    expect((await kept).exitCode).toBe(0)
    expect(next.stdout).not.toBe((await kept).stdout)
    await until('only the new one is left', () => pool.getStats().totalConnections === 1)
  })

  it('knows other credentials from these, and none from some', async () => {
    await pool.exec(server.target(), 'true')
    expect(await pool.removeConnection(server.target({ privateKey: undefined, password: 'other' }))).toBe(0)
    expect(pool.getStats().idleConnections).toBe(1)
    expect(await pool.removeConnection(server.target())).toBe(1)
    expect(await pool.removeConnection(server.target())).toBe(0)
  })
})
