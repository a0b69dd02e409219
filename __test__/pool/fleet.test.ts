import { Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { type FleetProgress, SSHConnectionPool, type SSHTarget } from '../support/native'
import { OpenSSHServer } from '../support/openssh'

let server: OpenSSHServer
let pool: SSHConnectionPool

const HOSTS = Array.from({ length: 20 }, (_, i) => `127.0.0.${i + 2}`)

// sshd takes sixteen addresses at most, so it gets all of them; only loopback ones are used.
beforeAll(async () => { server = await OpenSSHServer.start({ addresses: ['0.0.0.0'] }) })
afterAll(async () => { await server.stop() })
beforeEach(() => { pool = new SSHConnectionPool() })
afterEach(async () => { await pool.dispose() })

const targets = (): SSHTarget[] => HOSTS.map((host) => server.target({ host }))

describe('execAll', () => {
  it('twenty hosts, one of them dead: one outcome each, in their order', async () => {
    const all = targets()
    all[7] = server.target({ host: '127.0.0.9', port: 1 })
    const progress: FleetProgress[] = []
    const fleet = await pool.execAll(all, 'echo $SSH_CONNECTION', { concurrency: 6, onProgress: (step) => progress.push(step) })
    expect(fleet).toMatchObject({ ok: false, completed: 19, failed: 1, aborted: 0 })
    expect(fleet.outcomes.map(({ target, index }) => [target, index])).toEqual(all.map((target, i) => [target, i]))
    for (const { target, status, result, error } of fleet.outcomes) {
      if (target === all[7]) {
        expect(status).toBe('failed')
        expect(error).toMatchObject({ code: 'ECONNREFUSED', host: '127.0.0.9', port: 1 })
        expect(result).toBeUndefined()
      } else {
        expect(status).toBe('completed')
        expect(result?.stdout.split(' ')[2]).toBe(target.host)
      }
    }
    expect(progress.map(({ done, total }) => [done, total])).toEqual(all.map((_, i) => [i + 1, 20]))
    expect(new Set(progress.map(({ outcome }) => outcome.index)).size).toBe(20)
  })

  it('holds to the concurrency', async () => {
    let most = 0
    pool.on('acquire', () => { most = Math.max(most, pool.getStats().activeChannels) })
    const fleet = await pool.execAll(targets(), 'sleep 0.05', { concurrency: 3 })
    expect(fleet.ok).toBe(true)
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(3)
  })

  it('another exit code is an outcome that is not ok, or an error when asked for', async () => {
    const [target] = targets() as [SSHTarget]
    const { ok, completed, outcomes } = await pool.execAll([target], 'exit 3')
    expect([ok, completed, outcomes[0]?.ok, outcomes[0]?.result?.exitCode]).toEqual([false, 1, false, 3])
    const strict = await pool.execAll([target], 'exit 3', { throwOnNonZeroExit: true })
    expect(strict.outcomes[0]).toMatchObject({ status: 'failed', error: { code: 'ECOMMAND' } })
  })

  it('an abort settles the rest', async () => {
    const controller = new AbortController()
    const running = pool.execAll(targets(), 'sleep 300', { concurrency: 2, signal: controller.signal })
    await server.runs('sleep', 2)
    controller.abort()
    expect(await running).toMatchObject({ ok: false, completed: 0, failed: 0, aborted: 20 })
    expect(pool.getStats().connectionsCreated).toBe(2)
  })

  it('one signal for many commands is no leak to Node.js', async () => {
    const warnings: Error[] = []
    const note = (warning: Error): void => { warnings.push(warning) }
    process.on('warning', note)
    try {
      const many = Array.from({ length: 20 }, () => server.target())
      const { ok } = await pool.execAll(many, 'true', { signal: new AbortController().signal })
      expect(ok).toBe(true)
      // A warning is emitted in a later turn of the loop.
      await new Promise((resolve) => { setImmediate(resolve) })
      expect(warnings).toEqual([])
    } finally {
      process.off('warning', note)
    }
  })

  it('everybody gets what a stream held', async () => {
    const { outcomes } = await pool.execAll(targets().slice(0, 3), 'cat', { stdin: Readable.from(['to ', 'all']) })
    expect(outcomes.map(({ result }) => result?.stdout)).toEqual(['to all', 'to all', 'to all'])
  })

  it('a bad target is that target\'s failure, a bad option everybody\'s', async () => {
    const [good] = targets() as [SSHTarget]
    const { outcomes } = await pool.execAll([{ host: '' }, good], 'true')
    expect(outcomes.map(({ error, ok }) => [error?.code, ok])).toEqual([['EINVAL_OPTION', false], [undefined, true]])
    expect(await failureOf(pool.execAll([good], 'true', { concurrency: 0 }))).toMatchObject({ option: 'concurrency' })
    expect(await failureOf(pool.execAll([good], ''))).toMatchObject({ option: 'command' })
  })

  it('nobody is no failure', async () => {
    expect(await pool.execAll([], 'true')).toMatchObject({ ok: true, completed: 0, outcomes: [] })
  })

  it('bytes stay bytes', async () => {
    const [target] = targets() as [SSHTarget]
    const { outcomes } = await pool.execAll([target], String.raw`printf '\211PNG'`, { encoding: 'buffer' })
    expect(outcomes[0]?.result?.stdout).toEqual(Buffer.from([0x89, 0x50, 0x4e, 0x47]))
  })
})
