import { getEventListeners } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { onAbort } from '../lib/on-abort'
import { failureOf } from './support/failure'
import { SSHConnectionPool } from './support/native'
import { OpenSSHServer } from './support/openssh'

describe('onAbort', () => {
  it('calls everybody once, in the order of their coming', () => {
    const controller = new AbortController()
    const called: number[] = []
    for (const n of [1, 2, 3]) onAbort(controller.signal, () => called.push(n))
    controller.abort()
    controller.signal.dispatchEvent(new Event('abort'))
    expect(called).toEqual([1, 2, 3])
  })

  it('calls nobody who has left, and each as often as it came', () => {
    const controller = new AbortController()
    let calls = 0
    const listener = (): void => { calls += 1 }
    const leave = onAbort(controller.signal, listener)
    onAbort(controller.signal, listener)
    leave()
    leave()
    controller.abort()
    expect(calls).toBe(1)
  })

  it('has one listener on a signal, and none once nobody waits', () => {
    const { signal } = new AbortController()
    const listeners = (): number => getEventListeners(signal, 'abort').length
    const leaving = Array.from({ length: 50 }, () => onAbort(signal, () => undefined))
    expect(listeners()).toBe(1)
    leaving.forEach((leave) => { leave() })
    expect(listeners()).toBe(0)
    onAbort(signal, () => undefined)()
    expect(listeners()).toBe(0)
  })
})

describe('one signal for many commands', () => {
  let server: OpenSSHServer
  let pool: SSHConnectionPool

  beforeAll(async () => {
    server = await OpenSSHServer.start()
    pool = new SSHConnectionPool()
  })
  afterAll(async () => {
    await pool.dispose()
    await server.stop()
  })

  it('ends them all, and Node.js has nothing to warn of', async () => {
    const warnings: Error[] = []
    const note = (warning: Error): void => { warnings.push(warning) }
    process.on('warning', note)
    try {
      const controller = new AbortController()
      const running = Array.from({ length: 15 }, () => failureOf(pool.exec(server.target(), 'sleep 30', { signal: controller.signal })))
      controller.abort(new Error('enough'))
      const failures = await Promise.all(running)
      expect(failures.map(({ code }) => code)).toEqual(Array.from({ length: 15 }, () => 'ABORT_ERR'))
      // A warning is emitted in a later turn of the loop.
      await new Promise((resolve) => { setImmediate(resolve) })
      expect(warnings).toEqual([])
      expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    } finally {
      process.off('warning', note)
    }
  })
})
