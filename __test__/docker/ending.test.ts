import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PrivateEngine } from '../support/dockerd'
import { failureOf } from '../support/failure'
import { AbortError, DockerConnectionPool, TimeoutExceededError } from '../support/native'
import { until } from '../support/wait'
import { ENGINES, gone, openSockets, there } from './engines'

describe.each(ENGINES)('commands that are ended early on %s', (_, start) => {
  let engine: PrivateEngine
  let pool: DockerConnectionPool
  let container: string
  let sockets: number

  beforeAll(async () => {
    engine = await start()
    container = await engine.container()
    pool = new DockerConnectionPool({ socketPath: engine.socketPath })
    // The engine's threads, which come with the first pool, have some of their own.
    sockets = openSockets()
  })

  afterAll(async () => {
    await pool.dispose()
    await engine.stop()
  })

  it('a timeout ends the process and its children in the container, and says so', async () => {
    const error = await failureOf(pool.exec(container, 'echo begun; sleep 1001 & sleep 1002; echo never', { timeout: 1_500 }))
    expect(error).toBeInstanceOf(TimeoutExceededError)
    expect(error).toMatchObject({ code: 'ETIMEDOUT', kind: 'timeout', phase: 'run', reached: true, limit: 1_500, stdout: 'begun\n' })
    await gone(engine, container, 'sleep 100')
    await gone(engine, container, '1001')
  })

  it.each<[string, string | string[], object]>([
    ['a line', 'sleep 2001', {}],
    ['a line that ignores TERM', 'trap "" TERM; sleep 2001; sleep 2002', {}],
    ['another user\'s', 'sleep 2001', { user: 'tester' }],
    ['a program without a shell', ['sleep', '2001'], {}],
    ['one under a terminal', 'sleep 2001', { pty: true }],
    ['a program under a terminal', ['sleep', '2001'], { pty: true }],
  ])('an abort ends %s', async (_name, command, options) => {
    const controller = new AbortController()
    const failing = failureOf(pool.exec(container, command, { ...options, signal: controller.signal }))
    await there(engine, container, '2001')
    const reason = new Error('no longer needed')
    controller.abort(reason)
    const error = await failing
    expect(error).toBeInstanceOf(AbortError)
    expect(error).toMatchObject({ code: 'ABORT_ERR', reached: true, cause: reason })
    await gone(engine, container, '200')
  })

  it('an abort before the start runs nothing', async () => {
    const error = await failureOf(pool.exec(container, 'touch /tmp/ran', { signal: AbortSignal.abort() }))
    expect(error).toMatchObject({ code: 'ABORT_ERR', reached: false })
    expect((await pool.exec(container, 'ls /tmp')).stdout).not.toContain('ran')
  })

  it('aborts at any moment leave nothing behind', async () => {
    await Promise.all(Array.from({ length: 24 }, async (_unused, i) => {
      const controller = new AbortController()
      const running = failureOf(pool.exec(container, 'sleep 3001', { signal: controller.signal }))
      setTimeout(() => { controller.abort() }, i * 4)
      expect(await running).toMatchObject({ code: 'ABORT_ERR' })
    }))
    await gone(engine, container, '3001')
  })

  it('leaving a loop over its lines ends it', async () => {
    for await (const line of pool.spawn(container, 'while :; do echo line; done; : 4001')) {
      expect(line).toBe('line')
      break
    }
    await gone(engine, container, '4001')
  })

  it('maxBuffer ends it', async () => {
    expect(await failureOf(pool.exec(container, 'yes 5001', { maxBuffer: 10_000 }))).toMatchObject({ code: 'EMAXBUFFER' })
    await gone(engine, container, '5001')
  })

  it('a timeout in a warm shell ends its command, and the next one finds another shell', async () => {
    await pool.exec(container, 'true', { shell: 'persistent' })
    const error = await failureOf(pool.exec(container, 'sleep 6001', { shell: 'persistent', timeout: 500 }))
    expect(error).toMatchObject({ code: 'ETIMEDOUT', phase: 'run' })
    expect(error.reached).not.toBe(false)
    await gone(engine, container, '6001')
    expect((await pool.exec(container, 'echo next', { shell: 'persistent' })).stdout).toBe('next\n')
  })

  it('what runs is cut by closeAll, which says that nobody knows how it ended', async () => {
    const failing = failureOf(pool.exec(container, 'sleep 7001'))
    await there(engine, container, '7001')
    await pool.closeAll()
    expect(await failing).toMatchObject({ code: 'EPOOLCLOSED', reached: true })
    await pool.exec(container, 'kill $(pgrep -f 7001 | grep -v $$) 2>/dev/null; true')
  })

  it('no connection is left open once all is over', async () => {
    await pool.exec(container, 'true')
    await until('commands have given everything back', () => pool.getStats().activeChannels === 0)
    await pool.closeAll()
    await until('no line is open', () => openSockets() <= sockets)
  })
})
