import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PrivateEngine } from '../support/dockerd'
import { failureOf } from '../support/failure'
import { DockerClient, DockerConnectionPool } from '../support/native'
import { until } from '../support/wait'
import { ENGINES, openSockets, there } from './engines'

describe.each(ENGINES)('the pool on %s', (_, start) => {
  let engine: PrivateEngine
  let container: string

  beforeAll(async () => {
    engine = await start()
    container = await engine.container({ name: 'web' })
  })

  afterAll(async () => { await engine.stop() })

  const made = (options = {}): DockerConnectionPool => new DockerConnectionPool({ socketPath: engine.socketPath, ...options })

  it('keeps one connection for all containers, and counts', async () => {
    await using pool = made()
    const other = await engine.container()
    const events: unknown[][] = []
    pool.on('connection:created', (host, duration) => events.push(['created', host, duration > 0]))
    pool.on('connection:reused', (host) => events.push(['reused', host]))
    pool.on('acquire', (host) => events.push(['acquire', host]))
    await pool.exec('web', 'true')
    await pool.exec(other, 'true')
    expect(events).toEqual([
      ['created', engine.socketPath, true], ['acquire', engine.socketPath],
      ['reused', engine.socketPath], ['acquire', engine.socketPath],
    ])
    expect(pool.getStats()).toMatchObject({
      totalConnections: 1, idleConnections: 1, activeConnections: 0, activeChannels: 0, connectionsCreated: 1, poolHits: 1, poolMisses: 1, commandsRun: 2,
    })
    const [connection] = pool.getConnections()
    expect(connection).toMatchObject({ host: engine.socketPath, port: 0, state: 'idle', channelLimit: 100, useCount: 2 })
    const metrics = pool.getMetrics()
    expect(metrics).toMatchObject({ connect: { count: 1 }, run: { count: 2 }, wait: { count: 2 }, poolEfficiency: 0.5 })
    pool.resetMetrics()
    expect(pool.getMetrics()).toMatchObject({ connectionsCreated: 0, commandsRun: 0, run: { count: 0 } })
  })

  it('closes a connection that was idle for long, with all its lines, and makes another one', async () => {
    await using pool = made({ idleTimeout: 200, cleanupInterval: 50 })
    const closed = new Promise<string>((resolve) => { pool.once('connection:closed', (_host, reason) => { resolve(reason) }) })
    const before = openSockets()
    const running = pool.exec('web', 'sleep 0.2')
    await until('it has lines', () => openSockets() > before)
    await running
    expect(await closed).toBe('idle_timeout')
    await until('all lines are closed', () => openSockets() <= before)
    expect((await pool.exec('web', 'echo again')).stdout).toBe('again\n')
    expect(pool.getStats().connectionsCreated).toBe(2)
  })

  it('gives clients that share its connections', async () => {
    await using pool = made()
    const client = await pool.getClient()
    expect(client).toBeInstanceOf(DockerClient)
    expect(client.host).toBe(engine.socketPath)
    const same = await pool.connect({ socketPath: engine.socketPath, timeout: 10_000 })
    expect((await same.exec('web', 'echo hi')).stdout).toBe('hi\n')
    expect((await client.execute('web', 'echo ho')).stdout).toBe('ho\n')
    expect(await client.spawn('web', 'exit 3').done).toMatchObject({ exitCode: 3 })
    await (await client.session('web')).close()
    expect(pool.getStats().connectionsCreated).toBe(1)
  })

  it('waits its turn, or fails at once, where only so much is allowed', async () => {
    await using narrow = made({ maxConnections: 1, channelsPerConnection: 1 })
    const results = await Promise.all(['a', 'b', 'c'].map((word) => narrow.exec('web', `echo ${word}`)))
    expect(results.map(({ stdout }) => stdout)).toEqual(['a\n', 'b\n', 'c\n'])

    await using strict = made({ maxConnections: 1, channelsPerConnection: 1, whenExhausted: 'fail' })
    const first = strict.exec('web', 'sleep 0.5')
    await until('the first one has the only place', () => strict.getStats().activeChannels === 1)
    expect(await failureOf(strict.exec('web', 'true'))).toMatchObject({ code: 'EPOOLEXHAUSTED', phase: 'queue', reached: false })
    await first
  })

  it('drains: what runs may end, what comes is refused', async () => {
    await using pool = made()
    const running = pool.exec('web', 'sleep 0.5; echo ended')
    await until('it runs', () => pool.getStats().activeChannels === 1)
    const draining = pool.drain({ timeout: 20_000 })
    expect(await failureOf(pool.exec('web', 'true'))).toMatchObject({ code: 'EPOOLCLOSED' })
    expect(await draining).toBe(true)
    expect((await running).stdout).toBe('ended\n')
    expect((await pool.exec('web', 'echo on')).stdout).toBe('on\n')
  })

  it('drains by force what takes too long', async () => {
    await using pool = made()
    const running = failureOf(pool.exec('web', 'sleep 1.7001'))
    await there(engine, container, '1.7001')
    expect(await pool.drain({ timeout: 50 })).toBe(false)
    expect(await running).toMatchObject({ code: 'EPOOLCLOSED', reached: true })
  })

  it('closes idle connections, all of them, and itself for good', async () => {
    const before = openSockets()
    const pool = made()
    await pool.exec('web', 'true')
    expect(await pool.closeIdleConnections()).toBe(1)
    await pool.exec('web', 'true')
    await pool.close()
    expect(pool.getStats().totalConnections).toBe(0)
    await pool.exec('web', 'true')
    await pool.dispose()
    expect(await failureOf(pool.exec('web', 'true'))).toMatchObject({ code: 'EPOOLCLOSED' })
    await until('no line is left', () => openSockets() <= before)
  })

  it('checks idle connections', async () => {
    await using pool = made({ healthCheck: { interval: 50, timeout: 5_000 } })
    const healthy = new Promise<string>((resolve) => { pool.once('connection:healthy', resolve) })
    await pool.exec('web', 'true')
    expect(await healthy).toBe(engine.socketPath)
    expect(pool.getStats().healthChecksPassed).toBeGreaterThan(0)
  })

  it('tells diagnostics channels of its own', async () => {
    const heard: unknown[] = []
    const listen = (message: unknown): void => { heard.push(message) }
    subscribe('xec.docker.connection', listen)
    subscribe('xec.ssh.connection', listen)
    try {
      await using pool = made()
      await pool.exec('web', 'true')
      expect(heard).toHaveLength(1)
      expect(heard[0]).toMatchObject({ event: 'connection:created', args: [engine.socketPath, expect.any(Number), { port: 0 }] })
      expect(heard[0]).toHaveProperty('pool', pool)
    } finally {
      unsubscribe('xec.docker.connection', listen)
      unsubscribe('xec.ssh.connection', listen)
    }
  })

  it('asks the API for anything', async () => {
    await using pool = made()
    const { status, headers, body } = await pool.request('GET', '/containers/json', { query: { all: true, filters: { name: ['web'] } } })
    expect(status).toBe(200)
    expect(headers['content-type']).toContain('application/json')
    expect(JSON.parse(body.toString())).toMatchObject([{ Id: container }])
    const created = await pool.request('POST', '/volumes/create', { body: { Name: 'made-here' } })
    expect(created.status).toBe(201)
    expect((await pool.request('DELETE', '/volumes/made-here')).status).toBe(204)
    expect((await pool.request('POST', '/containers/web/start')).status).toBe(304)
    expect(await failureOf(pool.request('GET', '/containers/not-there/json'))).toMatchObject({ code: 'ENOCONTAINER', status: 404, kind: 'not-found' })
    expect(await failureOf(pool.request('POST', '/containers/create', { query: { name: 'web' }, body: { Image: engine.image } })))
      .toMatchObject({ code: expect.stringMatching(/^(ECONFLICT|EDOCKER)$/) as string })
    expect(await failureOf(pool.request('GET', '/images/not-there/json'))).toMatchObject({ code: 'ENOIMAGE' })
    expect(await failureOf(pool.request('GET', 'no slash'))).toMatchObject({ code: 'EINVAL_OPTION' })
  })

  it('reads an answer at its reader\'s pace, and stops when it is left', async () => {
    await using pool = made()
    const talker = await engine.container({ cmd: ['sh', '-c', 'echo out; echo err >&2; while :; do echo more; sleep 0.01; done'] })
    const logs = pool.exchange('GET', `/containers/${talker}/logs`, { query: { follow: true, stdout: true, stderr: true }, framed: true, timeout: 0 })
    expect((await logs.head).status).toBe(200)
    const errors = logs.stderr.iterator({ destroyOnReturn: false })
    expect(String((await errors.next()).value)).toBe('err\n')
    let text = ''
    for await (const piece of logs.stdout) {
      text += String(piece)
      if (text.split('more').length > 20) break
    }
    expect(text).toMatch(/^out\nmore\nmore\n/)
    expect(await failureOf(logs.done)).toMatchObject({ code: 'ABORT_ERR' })
    await until('it gave its place back', () => pool.getStats().activeChannels === 0)
  })

  it('attaches to a container over a line of its own', async () => {
    await using pool = made()
    const { body } = await pool.request('POST', '/containers/create', {
      body: { Image: engine.image, Cmd: ['sh', '-c', 'cat; echo over >&2'], OpenStdin: true, StdinOnce: true, HostConfig: { NetworkMode: 'none' } },
    })
    const { Id } = JSON.parse(body.toString()) as { Id: string }
    const attached = pool.exchange('POST', `/containers/${Id}/attach`, { query: { stream: true, stdin: true, stdout: true, stderr: true }, hijack: true, framed: true })
    await attached.head
    await pool.request('POST', `/containers/${Id}/start`)
    expect(await attached.write(Buffer.from('through\n'))).toBe(true)
    attached.end()
    const [out, err] = await Promise.all([attached.stdout.toArray(), attached.stderr.toArray()])
    expect([Buffer.concat(out as Buffer[]).toString(), Buffer.concat(err as Buffer[]).toString()]).toEqual(['through\n', 'over\n'])
    await attached.done
  })

  it('leaves no line, descriptor or channel behind after many commands', async () => {
    const before = openSockets()
    await using pool = made()
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(Array.from({ length: 20 }, () => pool.exec('web', 'true')))
    }
    expect(pool.getStats()).toMatchObject({ activeChannels: 0, connectionsCreated: 1 })
    // Kept for the next calls: eight, and the one that tells when the daemon goes.
    await until('lines beyond those that are kept are closed', () => openSockets() <= before + 9)
  })
})
