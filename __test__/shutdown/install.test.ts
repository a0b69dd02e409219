import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ClosablePool, InvalidOptionError, SSHConnectionPool, type ShutdownOptions, installShutdownHandlers } from '../support/native'

/** A pool that only notes what it is asked to do. */
class FakePool implements ClosablePool {
  readonly drains: (number | undefined)[] = []
  closed = 0
  finish: () => void = () => undefined

  drain({ timeout }: { timeout?: number } = {}): Promise<unknown> {
    this.drains.push(timeout)
    return new Promise<void>((resolve) => { this.finish = resolve })
  }

  closeAll(): Promise<unknown> {
    this.closed += 1
    return Promise.reject(new Error('too late for anybody to care'))
  }
}

const installed: (() => void)[] = []
// A signal that ends nothing: these tests run inside the test runner.
const install = (options: ShutdownOptions): void => {
  installed.push(installShutdownHandlers({ signals: ['SIGUSR2'], exit: false, ...options }))
}
const signal = (): void => { process.emit('SIGUSR2', 'SIGUSR2') }

beforeEach(() => { vi.useFakeTimers() })
afterEach(async () => {
  // A shutdown that a test left behind is given up.
  await vi.runAllTimersAsync()
  for (const uninstall of installed.splice(0)) uninstall()
  vi.useRealTimers()
})

describe('installShutdownHandlers', () => {
  it('a pool named twice is drained once, with the longest timeout', () => {
    const [a, b] = [new FakePool(), new FakePool()]
    install({ pools: [a], timeout: 500 })
    install({ pools: [a, b], timeout: 700 })
    install({ pools: [b], timeout: 600 })
    signal()
    expect([a.drains, b.drains]).toEqual([[700], [700]])
  })

  it('a function is asked when the signal comes', () => {
    const pools: FakePool[] = []
    install({ pools: () => pools })
    const late = new FakePool()
    pools.push(late)
    signal()
    expect(late.drains).toEqual([10_000])
  })

  it('a second signal cuts, a third begins anew', async () => {
    const pool = new FakePool()
    install({ pools: [pool] })
    signal()
    expect(pool.closed).toBe(0)
    signal()
    expect(pool.closed).toBe(1)
    signal()
    expect(pool.drains).toHaveLength(2)
    pool.finish()
    await vi.runAllTimersAsync()
    signal()
    expect(pool.drains).toHaveLength(3)
  })

  it('a pool that cannot be drained is given up a second after its time', async () => {
    const pool = new FakePool()
    install({ pools: [pool], timeout: 500 })
    signal()
    await vi.advanceTimersByTimeAsync(1_499)
    signal()
    // Still the same shutdown: the second signal cut it.
    expect([pool.drains.length, pool.closed]).toEqual([1, 1])
    signal()
    await vi.advanceTimersByTimeAsync(1_500)
    signal()
    expect([pool.drains.length, pool.closed]).toEqual([3, 1])
  })

  it('the longest timeout there is does not overflow the timer', async () => {
    const pool = new FakePool()
    install({ pools: [pool], timeout: 2 ** 31 - 1 })
    signal()
    await vi.advanceTimersByTimeAsync(60_000)
    signal()
    expect([pool.drains.length, pool.closed]).toEqual([1, 1])
  })

  it('a pool that fails does not keep the others from their time', async () => {
    const [broken, good] = [new FakePool(), new FakePool()]
    broken.drain = () => { throw new Error('broken') }
    install({ pools: [broken, good] })
    signal()
    expect(good.drains).toEqual([10_000])
    good.finish()
    await vi.runAllTimersAsync()
    signal()
    expect(good.drains).toHaveLength(2)
  })

  it('taking one back leaves the others, and their pools', () => {
    const [a, b] = [new FakePool(), new FakePool()]
    install({ pools: [a] })
    install({ pools: [b] })
    installed[0]?.()
    installed[0]?.()
    signal()
    expect([a.drains, b.drains]).toEqual([[], [10_000]])
    installed[1]?.()
    expect(process.listenerCount('SIGUSR2')).toBe(0)
    // The shutdown that still runs was one that must not end the process: were it forgotten, this test's would end.
  })

  it('takes real pools', () => {
    install({ pools: [new SSHConnectionPool()] })
    expect(process.listenerCount('SIGUSR2')).toBe(1)
  })

  it.each([
    [{ pools: [{}] }, 'pools'], [{ pools: 'all' }, 'pools'], [{ signals: ['SIGKILL'] }, 'signals'], [{ signals: ['TERM'] }, 'signals'],
    [{ signals: 'SIGTERM' }, 'signals'], [{ timeout: -1 }, 'timeout'], [{ timeout: 0 }, 'timeout'], [{ exit: 1 }, 'exit'], [{ timeOut: 1 }, 'timeOut'],
  ])('refuses %j', (options, option) => {
    const before = process.listenerCount('SIGTERM')
    const loose: (options: never) => unknown = installShutdownHandlers
    expect(() => { loose(options as never) }).toThrow(expect.objectContaining({ name: InvalidOptionError.name, option }))
    expect(process.listenerCount('SIGTERM')).toBe(before)
  })
})
