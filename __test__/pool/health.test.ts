import { once } from 'node:events'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SSHConnectionPool, XecNativeError } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { until } from '../support/wait'

let server: OpenSSHServer

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })

describe('health checks', () => {
  it.each([['a command', 'echo alive'], ['a message of the protocol', undefined]])('healthy by %s', async (_name, command) => {
    await using pool = new SSHConnectionPool({ healthCheck: { enabled: true, interval: 50, ...(command && { command }) } })
    const healthy = once(pool, 'connection:healthy')
    await pool.exec(server.target(), 'true')
    const [host, info] = await healthy as [string, { connection: number }]
    expect([host, info.connection]).toEqual(['127.0.0.1', pool.getConnections()[0]?.id])
    expect(pool.getStats().healthChecksPassed).toBeGreaterThan(0)
    expect(pool.getStats().healthCheckFailures).toBe(0)
  })

  it('unhealthy after so many failures: replaced, and healthy again when it is', async () => {
    const sick = `${server.directory}/sick`
    const healthCheck = { interval: 40, failureThreshold: 2, command: `test ! -e ${sick}` }
    await using pool = new SSHConnectionPool({ healthCheck })
    await pool.exec(server.target(), 'true')
    const [first] = pool.getConnections()
    writeFileSync(sick, '')
    expect(existsSync(sick)).toBe(true)
    const [host, error, info] = await once(pool, 'connection:unhealthy') as [string, XecNativeError, { connection: number }]
    expect([host, info.connection]).toEqual(['127.0.0.1', first?.id])
    expect(error).toBeInstanceOf(XecNativeError)
    expect(error.code).toBe('EUNHEALTHY')
    expect(pool.getStats().healthCheckFailures).toBeGreaterThanOrEqual(2)
    rmSync(sick)
    const [, again] = await once(pool, 'connection:healthy') as [string, { connection: number }]
    expect(again.connection).not.toBe(first?.id)
    expect(await pool.exec(server.target(), 'echo fine')).toMatchObject({ stdout: 'fine\n' })
  })

  it('a check that takes too long is ended, on the server too', async () => {
    const healthCheck = { interval: 400, timeout: 100, failureThreshold: 100, command: 'exec sleep 1000' }
    await using pool = new SSHConnectionPool({ healthCheck })
    await pool.exec(server.target(), 'true')
    await until('two checks have failed', () => pool.getStats().healthCheckFailures >= 2)
    await server.runs('sleep', 0)
    expect(pool.getConnections()).toHaveLength(1)
  })

  it('enabled: false in a later layer means none', async () => {
    await using pool = new SSHConnectionPool({ healthCheck: { interval: 10 }, cleanupInterval: 20, idleTimeout: 400 })
    pool.configureHost('*', { healthCheck: { enabled: false } })
    const closed = once(pool, 'connection:closed')
    await pool.exec(server.target(), 'true')
    await closed
    expect(pool.getStats()).toMatchObject({ healthChecksPassed: 0, healthCheckFailures: 0 })
  })
})
