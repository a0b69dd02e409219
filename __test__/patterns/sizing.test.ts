import { describe, expect, it } from 'vitest'
import { InvalidOptionError, SSHConnectionPool, calculateOptimalPoolSize, optimizeKeepAlive } from '../support/native'

describe('calculateOptimalPoolSize', () => {
  it.each([
    // The document's example: 20 under way, 30 with reserve, no more than 20 wanted.
    [10, 2_000, 20, 20],
    [10, 2_000, 100, 30],
    [3, 500, 100, 3],
    [1, 10, 100, 2],
    [0, 2_000, 20, 1],
    // 11 under way exactly; in floating point 1.1 × 10 is more than 11.
    [1.1, 10_000, 100, 17],
  ])('%d per second of %d ms, at most %d: %d', (rate, duration, most, expected) => {
    expect(calculateOptimalPoolSize(rate, duration, most)).toBe(expected)
  })

  it('fewer where a connection carries several commands', () => {
    expect(calculateOptimalPoolSize(10, 2_000, 100, 8)).toBe(4)
  })

  it('always gives a number that the pool takes', () => {
    expect(() => new SSHConnectionPool({ maxConnections: calculateOptimalPoolSize(0, 0, 1) })).not.toThrow()
  })

  it.each([[-1, 1, 1], [1, Number.NaN, 1], [1, 1, 0], [1, Infinity, 1]])('%d, %d, %d is refused', (...args) => {
    expect(() => calculateOptimalPoolSize(...args)).toThrow(InvalidOptionError)
  })
})

describe('optimizeKeepAlive', () => {
  it.each([
    // The document's example.
    [50, 300_000, 15_000, 240_000],
    [2_000, 300_000, 20_000, 240_000],
    [2_000, 30_000, 15_000, 24_000],
    [1, 10_000, 5_000, 8_000],
  ])('latency %d, server timeout %d: every %d, idle for %d', (latency, timeout, keepAliveInterval, idleTimeout) => {
    const config = optimizeKeepAlive(latency, timeout)
    expect(config).toEqual({ keepAlive: true, keepAliveInterval, idleTimeout })
    expect(() => new SSHConnectionPool(config)).not.toThrow()
  })

  it.each([[-1, 1], [1, 0], [Number.NaN, 1]])('%d, %d is refused', (...args) => {
    expect(() => optimizeKeepAlive(...args)).toThrow(InvalidOptionError)
  })
})
