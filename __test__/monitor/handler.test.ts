import { once } from 'node:events'
import { type RequestListener, type Server, createServer } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { InvalidOptionError, SSHConnectionPool, statisticsHandler } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { parseExposition } from './exposition'
import { FakeFigures } from './fake-figures'

const PATH = '/api/server-status/pool/stats'

const servers: Server[] = []

async function serve(listener: RequestListener): Promise<(path: string, method?: string) => Promise<Response>> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return (path, method = 'GET') => fetch(`http://127.0.0.1:${address.port}${path}`, { method })
}

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
})

describe('statisticsHandler', () => {
  it('gives the documented JSON, durations in seconds', async () => {
    const pool = new FakeFigures()
    pool.stats = { totalConnections: 5, aliveConnections: 4, inUseConnections: 2, idleConnections: 3 }
    const response = await (await serve(statisticsHandler(pool)))(PATH)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await response.json()).toEqual({
      success: true,
      pool_stats: {
        total_connections: 5, alive_connections: 4, in_use_connections: 2, idle_connections: 3, idle_timeout: 300, max_lifetime: 3600,
      },
    })
  })

  it('gives Prometheus text at /metrics, with labels', async () => {
    const response = await (await serve(statisticsHandler(new FakeFigures(), { labels: { pool: 'x' } })))('/metrics')
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    const count = parseExposition(await response.text()).get('ssh_client_connection_count')
    expect(count?.samples[0]).toMatchObject({ labels: { pool: 'x', state: 'idle' }, value: 0 })
  })

  it('other paths can be chosen; a query does not count', async () => {
    const get = await serve(statisticsHandler(new FakeFigures(), { path: '/stats', metricsPath: '/prometheus' }))
    const statuses = await Promise.all(['/stats', '/prometheus', '/stats?a=/b', PATH, '/metrics', '/stats/'].map(async (path) => (await get(path)).status))
    expect(statuses).toEqual([200, 200, 200, 404, 404, 404])
  })

  it('HEAD gives the headers, other methods nothing', async () => {
    const get = await serve(statisticsHandler(new FakeFigures()))
    const [full, head, post] = [await get('/metrics'), await get('/metrics', 'HEAD'), await get(PATH, 'POST')]
    expect(head.headers.get('content-length')).toBe(String((await full.text()).length))
    expect(await head.text()).toBe('')
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    expect(await post.json()).toMatchObject({ success: false })
  })

  it('with next, what is not its own goes on to whoever comes after', async () => {
    const handler = statisticsHandler(new FakeFigures())
    const get = await serve((request, response) => { handler(request, response, () => { response.end('next') }) })
    expect(await (await get('/other')).text()).toBe('next')
    expect((await get(PATH)).status).toBe(200)
  })

  it('figures that cannot be read are a 500 that tells nobody why', async () => {
    const pool = new FakeFigures()
    pool.getStats = () => { throw new Error('inner details') }
    const response = await (await serve(statisticsHandler(pool)))(PATH)
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('inner details')
  })

  it.each([{ path: 'stats' }, { path: '' }, { metricsPath: '/a?b' }])('refuses %j', (options) => {
    expect(() => statisticsHandler(new FakeFigures(), options)).toThrow(InvalidOptionError)
  })
})

describe('of a real pool', () => {
  let server: OpenSSHServer
  beforeAll(async () => { server = await OpenSSHServer.start() })
  afterAll(async () => { await server.stop() })

  it('counts the connection that works and the one that is free', async () => {
    await using pool = new SSHConnectionPool({ channelsPerConnection: 1, idleTimeout: 12_500 })
    const get = await serve(statisticsHandler(pool))
    await Promise.all([pool.exec(server.target(), 'sleep 0.1'), pool.exec(server.target(), 'sleep 0.1')])
    const ended = new AbortController()
    const running = pool.exec(server.target(), 'sleep 300', { signal: ended.signal }).catch(() => undefined)
    await server.runs('sleep')
    expect(await (await get(PATH)).json()).toEqual({
      success: true,
      pool_stats: {
        total_connections: 2, alive_connections: 2, in_use_connections: 1, idle_connections: 1, idle_timeout: 12.5, max_lifetime: 3600,
      },
    })
    ended.abort()
    await running
  })
})
