import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Bed, StartBed } from '../../support/bed'
import { failureOf } from '../../support/failure'
import { KubernetesConnectionPool } from '../../support/native'

/** What a pool itself can be asked for, on any cluster. */
export function poolMethods(start: StartBed): void {
  let bed: Bed
  let kubeconfig: string
  let pool: KubernetesConnectionPool

  beforeAll(async () => {
    bed = await start()
    await bed.pod({ name: 'web', labels: { app: 'web' } })
    kubeconfig = await bed.kubeconfig()
  }, 180_000)
  afterAll(async () => { await bed.stop() })
  beforeEach(() => { pool = new KubernetesConnectionPool({ kubeconfig }) })
  afterEach(async () => { await pool.dispose() })

  test('it connects ahead of need, and the context says where to', async () => {
    const context = await pool.connect()
    expect(pool.getStats()).toMatchObject({ totalConnections: 1 })
    expect(context.namespace).toBe(bed.home)
    expect(context.server).toContain(`://${context.host}`)
    await pool.createContext().connect()
    expect(pool.getStats()).toMatchObject({ totalConnections: 1 })
    expect(pool.context.namespace).toBe(bed.home)
  })

  test('exec, spawn and session are those of its own cluster', async () => {
    expect(await pool.exec('web', 'echo out')).toMatchObject({ stdout: 'out\n', pod: 'web', namespace: bed.home })
    expect((await pool.exec('web', ['printf', 'a'], { encoding: 'buffer' })).stdout).toEqual(Buffer.from('a'))
    const lines: string[] = []
    for await (const line of pool.spawn('web', 'echo one; echo two')) lines.push(line)
    expect(lines).toEqual(['one', 'two'])
    const session = await pool.session({ selector: 'app=web' })
    await session.execute('cd /tmp')
    expect(await session.execute('pwd')).toMatchObject({ stdout: '/tmp\n' })
    await session.close()
  })

  test('the shared pool is one, and another one once it is closed', async () => {
    const shared = KubernetesConnectionPool.getInstance()
    expect(KubernetesConnectionPool.getInstance()).toBe(shared)
    expect(await shared.createContext({ kubeconfig }).exec('web', 'echo shared')).toMatchObject({ stdout: 'shared\n' })
    await shared.dispose()
    const next = KubernetesConnectionPool.getInstance()
    expect(next).not.toBe(shared)
    await next.dispose()
  })

  test('figures count what was done, and begin anew when told to', async () => {
    const events: string[] = []
    pool.on('connection:created', (host) => { events.push(host) })
    await pool.exec('web', 'true')
    await pool.exec('web', 'exit 3')
    expect(pool.getStats()).toMatchObject({ totalConnections: 1, activeConnections: 0 })
    const [connection] = pool.getConnections()
    expect(connection).toMatchObject({ state: 'idle', useCount: 2, errors: 0 })
    expect(events).toEqual([pool.context.host])
    pool.resetMetrics()
    const before = JSON.stringify(pool.getMetrics())
    await pool.exec('web', 'true')
    expect(JSON.stringify(pool.getMetrics())).not.toBe(before)
  })

  test('idle clients are closed, and come back', async () => {
    await pool.exec('web', 'true')
    expect(await pool.closeIdleConnections()).toBe(1)
    expect(pool.getConnections()).toEqual([])
    expect(await pool.exec('web', 'echo again')).toMatchObject({ stdout: 'again\n' })
    await pool.close()
    expect(pool.getConnections()).toEqual([])
    expect(await pool.exec('web', 'echo again')).toMatchObject({ stdout: 'again\n' })
  })

  test('drain lets commands end, and cuts what takes too long', async () => {
    await pool.connect()
    const running = pool.exec('web', 'sleep 1; echo ended')
    expect(await pool.drain()).toBe(true)
    expect(await running).toMatchObject({ stdout: 'ended\n' })
    const endless = pool.spawn('web', 'echo up; sleep 4340')
    const done = failureOf(endless.done)
    expect((await endless[Symbol.asyncIterator]().next()).value).toBe('up')
    expect(await pool.drain({ timeout: 100 })).toBe(false)
    expect(await done).toMatchObject({ code: expect.stringMatching(/^E/) as string })
    await pool.exec('web', 'pkill -f "sleep 434[0]"')
  })

  test('closed for good, it refuses everything', async () => {
    await pool.exec('web', 'true')
    await pool.dispose()
    expect(pool.getStats()).toMatchObject({ totalConnections: 0 })
    expect(await failureOf(pool.exec('web', 'true'))).toMatchObject({ code: 'EPOOLCLOSED' })
    await pool[Symbol.asyncDispose]()
  })

  test('the API is asked directly, at once or piece by piece', async () => {
    const { context } = pool
    const { status, body } = await context.request('GET', '/version')
    expect(status).toBe(200)
    expect(JSON.parse(body.toString())).toMatchObject({ major: '1' })
    expect(await failureOf(context.request('GET', '/apis/nothing/v1/x'))).toMatchObject({ status: 404, kind: 'not-found' })
    const exchange = context.exchange('GET', `/api/v1/namespaces/${bed.home}/pods/web`)
    expect((await exchange.head).status).toBe(200)
    const pieces: Buffer[] = []
    for await (const piece of exchange.stdout) pieces.push(piece as Buffer)
    await exchange.done
    expect(JSON.parse(Buffer.concat(pieces).toString())).toMatchObject({ metadata: { name: 'web' } })
    expect(await context.getPod('web')).toMatchObject({ name: 'web', phase: 'Running', ready: true })
  })
}
