import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PoolDiagnostic, SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'

let server: OpenSSHServer

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })

/** What a channel carries while `work` goes on. */
async function published(channel: string, work: () => Promise<unknown>): Promise<PoolDiagnostic[]> {
  const messages: PoolDiagnostic[] = []
  const listen = (message: unknown): void => { messages.push(message as PoolDiagnostic) }
  subscribe(channel, listen)
  try {
    await work()
  } finally {
    unsubscribe(channel, listen)
  }
  return messages
}

describe('diagnostics channels', () => {
  it.each([
    ['xec.ssh.connection', ['connection:created', 'connection:reused', 'retire', 'connection:closed']],
    ['xec.ssh.queue', ['queue', 'acquire', 'acquire']],
    ['xec.ssh.pool', ['drain']],
  ])('%s', async (channel, expected) => {
    await using pool = new SSHConnectionPool()
    const messages = await published(channel, async () => {
      await pool.exec(server.target(), 'true')
      await pool.exec(server.target(), 'true')
      await pool.drain()
    })
    const names = messages.map(({ event }) => event)
    expect(names.filter((name) => expected.includes(name))).toEqual(expected)
    expect(messages.every((message) => message.pool === pool)).toBe(true)
    expect(messages[0]?.args.at(-1)).toMatchObject({ at: expect.any(Date) as Date })
  })

  it('carries what listeners get, and listeners still get it', async () => {
    await using pool = new SSHConnectionPool()
    const heard = once(pool, 'connection:created')
    const messages = await published('xec.ssh.connection', () => pool.exec(server.target(), 'true'))
    expect(messages.map(({ event }) => event)).toContain('connection:created')
    expect(messages.find(({ event }) => event === 'connection:created')?.args).toEqual(await heard)
  })

  it('nobody subscribed: nothing is recorded', async () => {
    await using pool = new SSHConnectionPool()
    await published('xec.ssh.connection', () => pool.exec(server.target(), 'true'))
    await pool.exec(server.target(), 'true')
    const later = await published('xec.ssh.connection', () => pool.exec(server.target(), 'true'))
    expect(later.map(({ event }) => event).filter((name) => name === 'connection:reused')).toHaveLength(1)
  })
})
