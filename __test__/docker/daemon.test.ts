import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Dockerd } from '../support/dockerd'
import { failureOf } from '../support/failure'
import { ConnectionLostError, DockerConnectionPool } from '../support/native'
import { there } from './engines'

let engine: Dockerd
let pool: DockerConnectionPool
let container: string

beforeEach(async () => {
  // The containers outlive their daemon, as they do where it is configured so.
  engine = await Dockerd.start({ options: ['--live-restore'] })
  container = await engine.container()
  pool = new DockerConnectionPool({ socketPath: engine.socketPath })
})

afterEach(async () => {
  await pool.dispose()
  await engine.stop()
})

describe('a daemon that is killed and comes back', () => {
  it('ends what runs with ECONNLOST, never with a status, and the next call works', async () => {
    const events: string[] = []
    for (const name of ['connection:created', 'connection:error', 'connection:closed', 'connection:reconnected'] as const) {
      pool.on(name, () => events.push(name))
    }
    const running = [
      failureOf(pool.exec(container, 'echo begun; sleep 1001')),
      failureOf(pool.exec(container, ['sleep', '1002'])),
      failureOf(pool.spawn(container, 'echo begun; sleep 1003').done),
      failureOf(pool.exec(container, 'sleep 1004', { shell: 'persistent' })),
    ]
    const session = await pool.session(container)
    running.push(failureOf(session.execute('sleep 1005')))
    for (const sleeper of ['1001', '1002', '1003', '1004', '1005']) await there(engine, container, sleeper)
    await engine.kill()
    for (const error of await Promise.all(running)) {
      expect(error).toBeInstanceOf(ConnectionLostError)
      expect(error).toMatchObject({ code: 'ECONNLOST', kind: 'connection-lost', phase: 'run' })
      expect(error.reached).not.toBe(false)
    }
    expect(await failureOf(session.execute('true'))).toMatchObject({ code: 'ESESSIONCLOSED' })
    await engine.resume()
    expect((await pool.exec(container, 'echo back')).stdout).toBe('back\n')
    expect(events.slice(0, 2)).toEqual(['connection:created', 'connection:error'])
    expect(pool.getStats()).toMatchObject({ connectionsLost: 1, connectionsCreated: 2 })
  })

  it('is waited for by who calls meanwhile', async () => {
    await pool.exec(container, 'true')
    const lost = new Promise((resolve) => { pool.once('connection:error', resolve) })
    const reconnected = new Promise((resolve) => { pool.once('connection:reconnected', resolve) })
    await engine.kill()
    await lost
    const [waiting] = [pool.exec(container, 'echo back'), engine.resume()]
    expect((await waiting).stdout).toBe('back\n')
    await reconnected
    expect(pool.getStats().reconnections).toBe(1)
  })

  it('is an error of its own while it is away, without retries where that is asked for', async () => {
    await using once = new DockerConnectionPool({ socketPath: engine.socketPath, reconnect: { enabled: false } })
    expect((await once.exec(container, 'echo here')).stdout).toBe('here\n')
    await engine.kill()
    const error = await failureOf(once.exec(container, 'echo away'))
    expect(error).toMatchObject({ code: 'ENODAEMON', kind: 'connection-refused', phase: 'dial', reached: false })
    expect(await failureOf(once.request('GET', '/version'))).toMatchObject({ code: 'ENODAEMON' })
    await engine.resume()
    expect((await once.exec(container, 'echo back')).stdout).toBe('back\n')
  })

  it('cuts a call that is under way, and a reader learns it', async () => {
    const events = pool.exchange('GET', '/events')
    expect((await events.head).status).toBe(200)
    const reading = failureOf(events.stdout.toArray())
    await engine.kill()
    expect(await reading).toMatchObject({ code: 'ECONNLOST' })
    expect(await failureOf(events.done)).toMatchObject({ code: 'ECONNLOST', reached: true })
    await engine.resume()
    expect((await pool.request('GET', '/_ping')).status).toBe(200)
  })

  it('runs again what may run twice', async () => {
    const running = pool.exec(container, 'test -e /tmp/second && echo second || { touch /tmp/second; sleep 1001; }', { retry: { lostConnection: true } })
    await there(engine, container, '1001')
    await engine.kill()
    await engine.resume()
    expect((await running).stdout).toBe('second\n')
  })
})

describe('a container that stops', () => {
  it('ends what runs in it, with the signal that it got', async () => {
    const running = pool.exec(container, 'sleep 2001')
    await there(engine, container, '2001')
    await engine.call('POST', `/containers/${container}/kill`)
    expect(await running).toMatchObject({ exitCode: 137, signal: 'SIGKILL', ok: false })
    expect(await failureOf(pool.exec(container, 'true'))).toMatchObject({ code: 'ENOTRUNNING' })
    await engine.call('POST', `/containers/${container}/start`)
    expect((await pool.exec(container, 'echo again')).stdout).toBe('again\n')
  })

  it('takes its sessions and warm shells with it, and no other\'s', async () => {
    const other = await engine.container()
    const session = await pool.session(container)
    const kept = await pool.session(other)
    await pool.exec(container, 'true', { shell: 'persistent' })
    await engine.call('POST', `/containers/${container}/kill`)
    await engine.call('POST', `/containers/${container}/start`)
    expect(await failureOf(session.execute('true'))).toMatchObject({ code: 'ESESSIONCLOSED' })
    expect((await kept.execute('echo kept')).stdout).toBe('kept\n')
    expect((await pool.exec(container, 'echo warm', { shell: 'persistent' })).stdout).toBe('warm\n')
  })

  it('is paused: an exec says so and nothing hangs', async () => {
    await engine.call('POST', `/containers/${container}/pause`)
    expect(await failureOf(pool.exec(container, 'true'))).toMatchObject({ code: 'EPAUSED', kind: 'invalid-usage', reached: false })
    await engine.call('POST', `/containers/${container}/unpause`)
    expect((await pool.exec(container, 'echo on')).stdout).toBe('on\n')
  })
})
