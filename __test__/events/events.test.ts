import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { type PoolEventName, type PoolEvents, SSHConnectionPool, XecNativeError } from '../support/native'
import { OpenSSHServer, TEST_USER } from '../support/openssh'

let server: OpenSSHServer
let pool: SSHConnectionPool

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })
beforeEach(() => { pool = new SSHConnectionPool() })
afterEach(async () => { await pool.dispose() })

const run = (command = 'true'): Promise<unknown> => pool.exec(server.target(), command)

/** Collects an event's arguments. */
function record<K extends PoolEventName>(event: K): PoolEvents[K][] {
  const calls: PoolEvents[K][] = []
  pool.on(event, (...args) => { calls.push(args) })
  return calls
}

const info = (): unknown => expect.objectContaining({
  host: '127.0.0.1', port: server.port, username: TEST_USER, at: expect.any(Date) as Date,
})

describe('arguments', () => {
  it('connection:created, reused and closed', async () => {
    const [created, reused, closed] = [record('connection:created'), record('connection:reused'), record('connection:closed')]
    await run()
    await run()
    await pool.closeAll()
    expect(created).toEqual([['127.0.0.1', expect.any(Number), info()]])
    expect(created[0]?.[1]).toBeGreaterThan(0)
    expect(reused).toEqual([['127.0.0.1', info()]])
    expect(closed).toEqual([['127.0.0.1', expect.any(String), info()]])
    expect(closed[0]?.[2].connection).toBe(created[0]?.[2].connection)
  })

  it('connection:failed carries the error a command rejects with', async () => {
    const failed = record('connection:failed')
    const error = await failureOf(pool.exec(server.target({ privateKey: undefined, password: 'wrong' }), 'true'))
    expect(failed).toEqual([['127.0.0.1', expect.any(XecNativeError), info()]])
    expect(failed[0]?.[1]).toMatchObject({ code: error.code, kind: error.kind, message: error.message })
  })

  it('connection:error is for a connection that had worked', async () => {
    const [failed, broken] = [record('connection:failed'), record('connection:error')]
    await run()
    const noticed = once(pool, 'connection:error')
    server.killConnections()
    await noticed
    expect(broken).toEqual([['127.0.0.1', expect.any(XecNativeError), info()]])
    expect(broken[0]?.[1]).toMatchObject({ code: 'ECONNLOST', kind: 'connection-lost' })
    expect(failed).toEqual([])
  })
})

describe('order', () => {
  it('what happened before a command ended is emitted before its promise resolves', async () => {
    const seen: string[] = []
    pool.on('connection:created', () => seen.push('created'))
    pool.on('connection:reused', () => seen.push('reused'))
    await run().then(() => seen.push('first done'))
    await run().then(() => seen.push('second done'))
    expect(seen).toEqual(['created', 'first done', 'reused', 'second done'])
  })

  it('connection:failed comes before the rejection', async () => {
    const seen: string[] = []
    pool.on('connection:failed', () => seen.push('failed'))
    await failureOf(pool.exec(server.target({ port: 1 }), 'true')).then(() => seen.push('rejected'))
    expect(seen).toEqual(['failed', 'rejected'])
  })

  it('events arrive without a command to carry them', async () => {
    const closed = once(pool, 'connection:closed')
    pool.configureHost('*', { idleTimeout: 50 })
    await using quick = new SSHConnectionPool({ idleTimeout: 50, cleanupInterval: 20 })
    const byItself = once(quick, 'connection:closed')
    await quick.exec(server.target(), 'true')
    expect(await byItself).toEqual(['127.0.0.1', 'idle_timeout', info()])
    await run()
    await pool.closeAll()
    await closed
  })
})

describe('listeners', () => {
  it('once hears once, off hears nothing more', async () => {
    const heard: string[] = []
    const permanent = (): void => { heard.push('on') }
    pool.once('connection:reused', () => heard.push('once'))
    pool.on('connection:reused', permanent)
    await run()
    await run()
    await run()
    pool.off('connection:reused', permanent)
    await run()
    expect(heard).toEqual(['once', 'on', 'on'])
  })

  it('after removeAllListeners new listeners still hear', async () => {
    pool.on('connection:created', () => { throw new Error('removed, so never called') })
    pool.removeAllListeners()
    const created = record('connection:created')
    await run()
    expect(created).toHaveLength(1)
  })

  it('nobody listening: nothing is stored', async () => {
    await run()
    await run()
    const reused = record('connection:reused')
    expect(reused).toEqual([])
    await run()
    expect(reused).toHaveLength(1)
    expect(pool.getStats().eventsDropped).toBe(0)
  })

  it('a listener that throws breaks neither the command nor the other listeners, and its error surfaces', () => {
    const fixture = join(__dirname, '../fixtures/throwing-listener.mjs')
    const child = spawnSync(process.execPath, [fixture, JSON.stringify(server.target())], { encoding: 'utf8', timeout: 20_000 })
    expect(child.stderr).toBe('')
    expect(JSON.parse(child.stdout)).toEqual({
      stdout: 'fine\n', heard: ['first', 'broken', 'reused'], uncaught: ['listener broke'],
    })
  })
})
