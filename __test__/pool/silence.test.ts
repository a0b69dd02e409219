import { expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { SilentProxy } from '../support/silent-proxy'

const INTERVAL = 400
const COUNT = 2

it('a peer that falls silent is found dead in time; other hosts go on', async () => {
  const server = await OpenSSHServer.start()
  const proxy = await SilentProxy.start(server.port)
  await using pool = new SSHConnectionPool({ keepAliveInterval: INTERVAL, keepAliveCountMax: COUNT })
  const lost = failureOf(pool.exec(server.target({ port: proxy.port }), 'sleep 300'))
  const other = pool.exec(server.target(), `sleep 2; echo unharmed`)
  await server.runs('sleep', 2)
  proxy.silence()
  const began = performance.now()
  const error = await lost
  expect(error).toMatchObject({ code: 'ECONNLOST', kind: 'connection-lost' })
  // The server's word that it had begun may have been lost with the rest; that it had not is out of the question.
  expect(error.reached).not.toBe(false)
  // The bound, and what a busy machine needs.
  expect(performance.now() - began).toBeLessThan(INTERVAL * COUNT + 500)
  expect(await other).toMatchObject({ stdout: 'unharmed\n' })
  expect(pool.getStats()).toMatchObject({ connectionsLost: 1, totalConnections: 1 })
  await proxy.stop()
  await server.stop()
})
