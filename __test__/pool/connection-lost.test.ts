import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { ConnectionLostError, SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { until } from '../support/wait'

let server: OpenSSHServer
let pool: SSHConnectionPool

beforeEach(async () => {
  server = await OpenSSHServer.start()
  pool = new SSHConnectionPool()
})

afterEach(async () => {
  await pool.dispose()
  await server.stop()
})

describe('the server dies during a command', () => {
  it('rejects with connection-lost, never with an exit code', async () => {
    const lost = failureOf(pool.exec(server.target(), 'echo begun; sleep 300'))
    await server.runs('sleep')
    expect(server.killConnections()).toBeGreaterThan(0)
    const error = await lost
    expect(error).toBeInstanceOf(ConnectionLostError)
    expect(error).toMatchObject({ code: 'ECONNLOST', kind: 'connection-lost', phase: 'run', reached: true, stdout: 'begun\n' })
  })

  it('every command on that connection learns it', async () => {
    const lost = Array.from({ length: 5 }, () => failureOf(pool.exec(server.target({ poolConfig: { maxConnections: 1 } }), 'sleep 300')))
    await server.runs('sleep', 5)
    server.killConnections()
    const errors = await Promise.all(lost)
    expect(errors.map(({ code }) => code)).toEqual(Array(5).fill('ECONNLOST'))
  })

  it('the next command finds a new connection', async () => {
    const events: string[] = []
    pool.on('connection:created', () => events.push('created'))
    pool.on('connection:error', (_host, error) => events.push(error.code))
    const lost = failureOf(pool.exec(server.target(), 'sleep 300'))
    await server.runs('sleep')
    server.killConnections()
    await lost
    expect(await pool.exec(server.target(), 'echo again')).toMatchObject({ stdout: 'again\n', exitCode: 0 })
    expect(events).toEqual(['created', 'ECONNLOST', 'created'])
    expect(pool.getStats()).toMatchObject({ totalConnections: 1, connectionsCreated: 2, connectionsLost: 1 })
  })

  it('an idle connection that died is replaced without the caller noticing', async () => {
    await pool.exec(server.target(), 'true')
    server.killConnections()
    expect(await pool.exec(server.target(), 'echo again')).toMatchObject({ stdout: 'again\n' })
  })

  it('runs the command again only when told that it may', async () => {
    const marks = `${server.directory}/marks`
    writeFileSync(marks, '')
    chmodSync(marks, 0o666)
    // The first run waits to be killed, the second sees the mark of the first and ends.
    const command = `echo x >> ${marks}; [ $(wc -l < ${marks}) -gt 1 ] || sleep 300; echo done`
    const retried = pool.exec(server.target(), command, { retry: { lostConnection: true } })
    await until('the first run has left its mark', () => readFileSync(marks, 'utf8') === 'x\n')
    server.killConnections()
    expect(await retried).toMatchObject({ stdout: 'done\n', exitCode: 0 })
    expect(readFileSync(marks, 'utf8')).toBe('x\nx\n')
  })

  it('a server that is gone for good: connection refused, in time', async () => {
    await pool.exec(server.target(), 'true')
    const target = server.target()
    await server.stop()
    const error = await failureOf(pool.exec(target, 'true'))
    // The key file went with the server's directory: whichever the engine looks at first, it must not hang or succeed.
    expect(['ECONNREFUSED', 'EKEYFILE', 'ECONNLOST']).toContain(error.code)
    expect(error.reached).toBe(false)
    server = await OpenSSHServer.start()
  })
})
