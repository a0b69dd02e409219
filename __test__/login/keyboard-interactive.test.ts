import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { attemptsSince } from '../support/attempts'
import { failureOf, visible } from '../support/failure'
import { type KeyboardInteractive, SSHConnectionPool, type SSHTarget } from '../support/native'
import { OpenSSHServer, TEST_PASSWORD } from '../support/openssh'

let server: OpenSSHServer
let pool: SSHConnectionPool

beforeAll(async () => {
  server = await OpenSSHServer.start({ config: ['KbdInteractiveAuthentication yes', 'PasswordAuthentication no'] })
  pool = new SSHConnectionPool()
})

afterEach(async () => { await pool.closeAll() })

afterAll(async () => {
  await pool.dispose()
  await server.stop()
})

const target = (keyboardInteractive: KeyboardInteractive, extra: Partial<SSHTarget> = {}): SSHTarget =>
  server.target({ privateKey: undefined, keyboardInteractive, ...extra })

describe('keyboardInteractive', () => {
  it('is shown the prompts and its answers log us in', async () => {
    const seen: unknown[] = []
    const result = await pool.exec(target((prompts, info) => {
      seen.push(prompts, info)
      return [TEST_PASSWORD]
    }), 'echo in')
    expect(result.stdout).toBe('in\n')
    expect(seen).toEqual([[{ prompt: 'Password: ', echo: false }], { name: '', instructions: '' }])
  })

  it('may take its time', async () => {
    const slow = target(async () => {
      await delay(300)
      return [TEST_PASSWORD]
    })
    expect((await pool.exec(slow, 'echo in')).stdout).toBe('in\n')
  })

  it('a wrong answer is one attempt, and nobody is asked again', async () => {
    const mark = server.log.length
    let asked = 0
    const error = await failureOf(pool.exec(target(() => {
      asked += 1
      return ['n0t the password']
    }), 'true'))
    expect(error).toMatchObject({ code: 'EAUTH', kind: 'authentication', phase: 'authenticate', reached: false })
    expect(error.message).toContain('tried keyboard-interactive')
    expect(visible(error)).not.toContain('n0t the password')
    expect(asked).toBe(1)
    expect(await attemptsSince(server, mark)).toEqual([expect.stringMatching(/^Failed keyboard-interactive/)])
  })

  it('its rejection is the cause of the error, as it was thrown', async () => {
    class NoToken extends Error {
      readonly code = 'ENOTOKEN'
    }
    const thrown = new NoToken('the token is at home')
    const mark = server.log.length
    for (const callback of [() => Promise.reject(thrown), () => { throw thrown }]) {
      const error = await failureOf(pool.exec(target(callback), 'true'))
      expect(error).toMatchObject({ code: 'EPROMPT', kind: 'authentication', phase: 'authenticate', reached: false })
      expect(error.cause).toBe(thrown)
    }
    expect(await attemptsSince(server, mark)).toEqual([])
  })

  it('what is no Error can be thrown as well', async () => {
    const notAnError: unknown = 'no token'
    expect((await failureOf(pool.exec(target(() => { throw notAnError }), 'true'))).cause).toBe('no token')
  })

  it.each([[[]], [['a', 'b']]])('%j: the wrong number of answers', async (answers) => {
    const error = await failureOf(pool.exec(target(() => answers), 'true'))
    expect(error).toMatchObject({ code: 'EPROMPT', kind: 'invalid-usage', phase: 'authenticate' })
    expect(error.message).toBe(`keyboardInteractive gave ${answers.length} answers to 1 prompts`)
  })

  it.each([['a password'], [undefined], [[5]]])('%j: no answers at all', async (answers) => {
    const error = await failureOf(pool.exec(target((() => answers) as unknown as KeyboardInteractive), 'true'))
    expect(error).toMatchObject({ code: 'EPROMPT', cause: { name: 'TypeError' } })
    expect(visible(error)).not.toContain('a password')
  })

  it('that never answers is given up with the connection timeout', async () => {
    const begun = performance.now()
    const error = await failureOf(pool.exec(target(() => new Promise<string[]>(() => undefined), { poolConfig: { connectionTimeout: 600 } }), 'true'))
    expect(error).toMatchObject({ code: 'ETIMEDOUT', phase: 'authenticate', reached: false })
    expect(performance.now() - begun).toBeLessThan(5_000)
  })

  it('connections made by one callback are not lent to another', async () => {
    const right: KeyboardInteractive = () => [TEST_PASSWORD]
    await pool.exec(target(right), 'true')
    expect(await failureOf(pool.exec(target(() => ['wrong']), 'true'))).toMatchObject({ code: 'EAUTH' })
    const again = await pool.exec(target(right), 'true')
    expect(again.timings.connect).toBe(0)
  })

  it('many commands at once ask as often as connections are made', async () => {
    let asked = 0
    const counting = target(() => {
      asked += 1
      return [TEST_PASSWORD]
    }, { poolConfig: { maxConnections: 2, channelsPerConnection: 4 } })
    await Promise.all(Array.from({ length: 40 }, () => pool.exec(counting, 'true')))
    expect(asked).toBeGreaterThan(0)
    expect(asked).toBeLessThanOrEqual(2)
  })

  it('without a callback the password answers', async () => {
    const result = await pool.exec(server.target({ privateKey: undefined, password: TEST_PASSWORD }), 'echo in')
    expect(result.stdout).toBe('in\n')
  })
})
