import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { AbortError, SSHConnectionPool, TimeoutExceededError } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { isRunning } from '../support/processes'
import { until } from '../support/wait'

let server: OpenSSHServer
let pool: SSHConnectionPool

beforeAll(async () => {
  server = await OpenSSHServer.start()
  // One connection, so that every command is every other's neighbour.
  pool = new SSHConnectionPool({ maxConnections: 1 })
  await pool.exec(server.target(), 'true')
})

afterAll(async () => {
  await pool.dispose()
  await server.stop()
})

/** Prints its process id, then sleeps in that very process. */
const SLEEPER = 'echo $$; exec sleep 300'

const pidIn = (output: string | Buffer | undefined): number => Number(String(output).trim())

async function expectStopped(pid: number): Promise<void> {
  expect(pid).toBeGreaterThan(1)
  await until(`remote process ${pid} has ended`, () => !isRunning(pid))
}

describe('timeout', () => {
  it('rejects in time, stops the remote process, says how far it had come', async () => {
    const start = performance.now()
    const error = await failureOf(pool.exec(server.target(), SLEEPER, { timeout: 300 }))
    expect(performance.now() - start).toBeLessThan(2_000)
    expect(error).toBeInstanceOf(TimeoutExceededError)
    expect(error).toMatchObject({ code: 'ETIMEDOUT', kind: 'timeout', phase: 'run', reached: true, limit: 300, host: '127.0.0.1' })
    await expectStopped(pidIn(error.stdout))
  })

  it('leaves the neighbours on the same connection alone', async () => {
    const created = pool.getStats().connectionsCreated
    const neighbours = Array.from({ length: 4 }, (_, i) => pool.exec(server.target(), `sleep 1; echo ${i}; kill -s USR1 $$`))
    await failureOf(pool.exec(server.target(), SLEEPER, { timeout: 200 }))
    const results = await Promise.all(neighbours)
    expect(results.map(({ stdout }) => stdout)).toEqual(['0\n', '1\n', '2\n', '3\n'])
    expect(results.map(({ signal }) => signal)).toEqual(Array(4).fill('SIGUSR1'))
    expect(pool.getStats().connectionsCreated).toBe(created)
  })

  it('covers waiting for a free connection, and then says the command never ran', async () => {
    const narrow = new SSHConnectionPool({ maxConnections: 1, channelsPerConnection: 1 })
    const blocker = new AbortController()
    const blocked = failureOf(narrow.exec(server.target(), 'sleep 300', { signal: blocker.signal }))
    await server.runs('sleep')
    const error = await failureOf(narrow.exec(server.target(), 'echo never', { timeout: 200 }))
    expect(error).toMatchObject({ code: 'ETIMEDOUT', phase: 'queue', reached: false })
    blocker.abort()
    await blocked
    await narrow.dispose()
  })

  it('0 means no limit', async () => {
    await expect(pool.exec(server.target(), 'sleep 0.2; echo fine', { timeout: 0 })).resolves.toMatchObject({ stdout: 'fine\n' })
  })
})

describe('abort', () => {
  it('rejects with the reason and stops the remote process', async () => {
    const controller = new AbortController()
    const running = failureOf(pool.exec(server.target(), SLEEPER, { signal: controller.signal }))
    await server.runs('sleep')
    // One more round trip: its process id has to be here before it is stopped.
    await pool.exec(server.target(), 'true')
    const reason = new Error('changed my mind')
    controller.abort(reason)
    const error = await running
    expect(error).toBeInstanceOf(AbortError)
    expect(error).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', reached: true, cause: reason })
    await expectStopped(pidIn(error.stdout))
  })

  it('a signal that has fired already touches nothing', async () => {
    await until('earlier commands have left', () => pool.getStats().activeChannels === 0)
    const before = pool.getStats()
    const error = await failureOf(pool.exec(server.target({ host: 'no-such-host.invalid' }), 'true', { signal: AbortSignal.abort('no') }))
    expect(error).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', reached: false, cause: 'no' })
    expect(pool.getStats()).toEqual(before)
  })

  it('leaves no listener on the signal behind', async () => {
    const controller = new AbortController()
    const added: unknown[] = []
    const removed: unknown[] = []
    const { signal } = controller
    const spied = new Proxy(signal, {
      get(target, name): unknown {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return (...args: unknown[]): unknown => {
          if (name === 'addEventListener') added.push(args[1])
          if (name === 'removeEventListener') removed.push(args[1])
          return Reflect.apply(value, target, args)
        }
      },
    })
    await pool.exec(server.target(), 'true', { signal: spied })
    await failureOf(pool.exec(server.target({ port: 1 }), 'true', { signal: spied }))
    expect(added).toHaveLength(2)
    expect(removed).toEqual(added)
  })

  it('leaves the neighbours alone', async () => {
    const controller = new AbortController()
    const neighbour = pool.exec(server.target(), 'sleep 0.5; echo still here')
    const aborted = failureOf(pool.exec(server.target(), SLEEPER, { signal: controller.signal }))
    await server.runs('sleep', 2)
    controller.abort()
    await aborted
    expect(await neighbour).toMatchObject({ stdout: 'still here\n', exitCode: 0 })
  })
})
