// A target's object is checked once for as long as it stays as it is; whatever changes about it counts from the next call on.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { SSHConnectionPool, type SSHTarget } from '../support/native'
import { OpenSSHServer, TEST_PASSWORD } from '../support/openssh'

let server: OpenSSHServer
let pool: SSHConnectionPool

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })
beforeEach(() => { pool = new SSHConnectionPool({ maxConnections: 4 }) })
afterEach(async () => { await pool.dispose() })

/** Whose connection ran it. */
const connection = async (target: SSHTarget): Promise<string> => (await pool.exec(target, 'echo $SSH_CONNECTION')).stdout

describe('a target that is used again', () => {
  it('is the same target', async () => {
    const target = server.target()
    expect(await connection(target)).toBe(await connection(target))
    expect(await connection({ ...target })).toBe(await connection(target))
  })

  it('counts with its new password', async () => {
    const target: SSHTarget = server.target({ privateKey: undefined, password: TEST_PASSWORD })
    await connection(target)
    target.password = 'not the password'
    expect(await failureOf(connection(target))).toMatchObject({ code: 'EAUTH' })
  })

  it('counts with its new port', async () => {
    const target: SSHTarget = server.target()
    await connection(target)
    target.port = 1
    expect(await failureOf(connection(target))).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('counts with what was added to it', async () => {
    const target: SSHTarget & { hostt?: string } = server.target()
    await connection(target)
    target.hostt = 'x'
    expect(await failureOf(connection(target))).toMatchObject({ code: 'EINVAL_OPTION', option: 'hostt' })
    delete target.hostt
    await connection(target)
    target.port = 70_000
    expect(await failureOf(connection(target))).toMatchObject({ code: 'EINVAL_OPTION', option: 'port' })
  })

  it('counts without what was taken from it', async () => {
    const target: SSHTarget = server.target()
    await connection(target)
    delete (target as Partial<SSHTarget>).host
    expect(await failureOf(connection(target))).toMatchObject({ code: 'EINVAL_OPTION', option: 'host' })
  })

  it('counts with what changed inside of its settings', async () => {
    const poolConfig = { enabled: true }
    const target: SSHTarget = server.target({ poolConfig })
    expect(await connection(target)).toBe(await connection(target))
    poolConfig.enabled = false
    expect(await connection(target)).not.toBe(await connection(target))
  })

  it('counts with settings that its host was given meanwhile', async () => {
    const target = server.target()
    expect(await connection(target)).toBe(await connection(target))
    pool.configureHost(target.host, { enabled: false })
    expect(await connection(target)).not.toBe(await connection(target))
  })

  it('looks at SSH_AUTH_SOCK each time where its login depends on it', async () => {
    const target: SSHTarget = server.target({ privateKey: undefined, agent: true })
    const before = process.env['SSH_AUTH_SOCK']
    try {
      process.env['SSH_AUTH_SOCK'] = '/nonexistent/one'
      expect((await failureOf(connection(target))).message).toContain('/nonexistent/one')
      process.env['SSH_AUTH_SOCK'] = '/nonexistent/two'
      expect((await failureOf(connection(target))).message).toContain('/nonexistent/two')
    } finally {
      if (before === undefined) delete process.env['SSH_AUTH_SOCK']
      else process.env['SSH_AUTH_SOCK'] = before
    }
  })
})
