import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { type HostPoolConfig, SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { freePort } from '../support/ports'

let server: OpenSSHServer

beforeEach(async () => { server = await OpenSSHServer.start() })
afterEach(async () => { await server.stop() })

/** Writes down what happens to connections. */
function watch(pool: SSHConnectionPool): string[] {
  const seen: string[] = []
  pool.on('connection:created', () => seen.push('created'))
  pool.on('connection:error', () => seen.push('error'))
  pool.on('connection:failed', () => seen.push('failed'))
  pool.on('connection:reconnecting', (_host, attempt) => seen.push(`reconnecting ${attempt}`))
  pool.on('connection:reconnected', () => seen.push('reconnected'))
  return seen
}

describe('the server restarts', () => {
  it('a command waits for it, and events say so in order', async () => {
    await using pool = new SSHConnectionPool({ reconnect: { maxRetries: 4, initialDelay: 400, backoff: 'fixed' } })
    const seen = watch(pool)
    await pool.exec(server.target(), 'true')
    const lost = once(pool, 'connection:error')
    await server.halt()
    await lost
    const failed = once(pool, 'connection:failed')
    const command = pool.exec(server.target(), 'echo back')
    await failed
    await server.resume()
    expect(await command).toMatchObject({ stdout: 'back\n' })
    const attempts = seen.filter((event) => event.startsWith('reconnecting'))
    expect(attempts).toEqual(attempts.map((_, i) => `reconnecting ${i + 1}`))
    expect(seen.slice(0, 4)).toEqual(['created', 'error', 'reconnecting 1', 'failed'])
    expect(seen.slice(-3)).toEqual([`reconnecting ${attempts.length}`, 'reconnected', 'created'])
    expect(pool.getStats().reconnections).toBe(1)
  })
})

/** How often a port that nobody listens on is tried for one command. */
async function attempts(config: HostPoolConfig): Promise<number> {
  await using pool = new SSHConnectionPool(config)
  const error = await failureOf(pool.exec(server.target({ port: await freePort() }), 'true'))
  expect(error.code).toBe('ECONNREFUSED')
  return pool.getStats().connectionsFailed
}

describe('how often, in both spellings', () => {
  it.each<[attempts: number, HostPoolConfig]>([
    [1, {}],
    [3, { reconnect: { maxRetries: 2, initialDelay: 1 } }],
    [3, { maxReconnectAttempts: 2, reconnectDelay: 1 }],
    [3, { maxRetries: 2, reconnectDelay: 1 }],
    [4, { autoReconnect: true, reconnectDelay: 1 }],
    [4, { reconnect: { initialDelay: 1 } }],
    [1, { reconnect: { enabled: false, maxRetries: 3, initialDelay: 1 } }],
    [1, { autoReconnect: false, maxReconnectAttempts: 3, reconnectDelay: 1 }],
    // The structured spelling wins over the single options, and of those the more special one.
    [2, { reconnect: { maxRetries: 1 }, maxReconnectAttempts: 3, reconnectDelay: 1 }],
    [2, { maxReconnectAttempts: 1, maxRetries: 3, reconnectDelay: 1 }],
  ])('%i: %j', async (expected, config) => {
    expect(await attempts(config)).toBe(expected)
  })

  it('the later layer wins, whatever its spelling', async () => {
    await using pool = new SSHConnectionPool({ reconnect: { maxRetries: 3, initialDelay: 1 } })
    pool.configureHost('127.*', { maxReconnectAttempts: 2 })
    const target = { port: await freePort(), poolConfig: { maxRetries: 1 } }
    await failureOf(pool.exec(server.target(target), 'true'))
    expect(pool.getStats().connectionsFailed).toBe(2)
  })
})

describe('the breaker', () => {
  it('after three refused logins no further one is sent', async () => {
    await using pool = new SSHConnectionPool({ reconnect: { initialDelay: 1 } })
    const target = server.target({ privateKey: undefined, password: 'wrong' })
    for (let i = 0; i < 3; i++) expect(await failureOf(pool.exec(target, 'true'))).toMatchObject({ code: 'EAUTH' })
    const error = await failureOf(pool.exec(target, 'true'))
    expect(error).toMatchObject({ code: 'EBREAKEROPEN', kind: 'authentication', phase: 'dial', reached: false })
    expect(error.cause).toBeInstanceOf(Error)
    expect(await server.counted(/^Failed password/)).toBe(3)
    expect(await server.counted(/^Connection from/)).toBe(3)
    // Another login to the same server is nobody else's business.
    expect(await pool.exec(server.target(), 'echo fine')).toMatchObject({ stdout: 'fine\n' })
  })
})
