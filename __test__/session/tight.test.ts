import { expect, test } from 'vitest'
import { SSHConnectionPool } from '../../index.mjs'
import { OpenSSHServer } from '../support/openssh'

test.each([1, 2, 4])('idle shells are in nobody\'s way where the server allows %i sessions', async (most) => {
  const server = await OpenSSHServer.start({ config: [`MaxSessions ${most}`] })
  try {
    await using pool = new SSHConnectionPool()
    for (let round = 0; round < 5; round += 1) {
      const warm = await Promise.all(Array.from({ length: 4 }, (_, turn) =>
        pool.exec(server.target(), `echo warm ${turn}`, { shell: 'persistent' })))
      const plain = await Promise.all(Array.from({ length: 4 }, (_, turn) => pool.exec(server.target(), `echo plain ${turn}`)))
      expect(warm.map((result) => result.stdout)).toEqual(warm.map((_, turn) => `warm ${turn}\n`))
      expect(plain.map((result) => result.stdout)).toEqual(plain.map((_, turn) => `plain ${turn}\n`))
    }
    expect(pool.getStats().activeChannels).toBe(0)
  } finally {
    await server.stop()
  }
})
