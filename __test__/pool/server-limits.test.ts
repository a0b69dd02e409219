import { describe, expect, it } from 'vitest'
import { SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'

const COUNT = 60

/** Sixty commands at once on four connections of a server with a mind of its own. */
async function crowd(config: string, check: (pool: SSHConnectionPool, server: OpenSSHServer) => void): Promise<void> {
  const server = await OpenSSHServer.start({ config: [config] })
  try {
    await using pool = new SSHConnectionPool({ maxConnections: 4 })
    const commands = Array.from({ length: COUNT }, (_, i) => pool.exec(server.target(), `sleep 0.05; echo ${i}`))
    const outputs = (await Promise.all(commands)).map(({ stdout }) => stdout)
    expect(outputs).toEqual(Array.from({ length: COUNT }, (_, i) => `${i}\n`))
    expect(pool.getStats()).toMatchObject({ commandsRun: COUNT, queued: 0, activeChannels: 0 })
    check(pool, server)
  } finally {
    await server.stop()
  }
}

describe('servers that allow little', () => {
  it('MaxSessions 2: no error reaches a caller, and the limit is learned', async () => {
    await crowd('MaxSessions 2', (pool) => {
      const limits = pool.getConnections().map(({ channelLimit }) => channelLimit)
      expect(limits.length).toBeGreaterThan(0)
      expect(Math.min(...limits)).toBeGreaterThanOrEqual(1)
      expect(Math.max(...limits)).toBeLessThanOrEqual(2)
      expect(pool.getStats().channelRefusals).toBeGreaterThan(0)
    })
  })

  it('MaxStartups 2:50:4: no error reaches a caller', async () => {
    await crowd('MaxStartups 2:50:4', (pool, server) => {
      expect(pool.getConnections().length).toBeGreaterThan(0)
      expect(server.mostConnections()).toBeLessThanOrEqual(4)
    })
  })
})
