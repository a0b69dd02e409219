import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { AllHostsFailedError, Failover, InvalidOptionError, SSHConnectionPool, XecNativeError } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { freePort } from '../support/ports'
import { failure, hosts } from './fake-pool'

const [primary, first, second] = hosts('primary', 'first', 'second') as [{ host: string }, { host: string }, { host: string }]

/** Calls fail with these errors in turn, then succeed; the hosts that were tried. */
async function tried(errors: Error[], options = {}): Promise<{ tried: string[], outcome: unknown }> {
  const hostsTried: string[] = []
  const pool = new SSHConnectionPool()
  const failover = new Failover(pool, primary, [first, second], options)
  const outcome: unknown = await failover.run((target) => {
    const error = errors[hostsTried.push(target.host) - 1]
    return error === undefined ? Promise.resolve('done') : Promise.reject(error)
  }).catch((error: unknown) => error)
  return { tried: hostsTried, outcome }
}

describe('Failover', () => {
  it('the primary alone while it works', async () => {
    expect(await tried([])).toEqual({ tried: ['primary'], outcome: 'done' })
  })

  it('backups in their order when a host was not reached', async () => {
    expect(await tried([failure(), failure({ code: 'EAUTH', kind: 'authentication' })]))
      .toEqual({ tried: ['primary', 'first', 'second'], outcome: 'done' })
  })

  it.each([
    ['that reached the server', failure({ code: 'ECONNLOST', kind: 'connection-lost', reached: true })],
    ['of which nobody knows', failure({ code: 'ECONNLOST', kind: 'connection-lost', reached: undefined })],
    ['that is a mistake in the call', new InvalidOptionError('port', 'wrong')],
    ['that the caller aborted', failure({ code: 'ABORT_ERR', kind: 'unknown' })],
    ['on a pool that is closed', failure({ code: 'EPOOLCLOSED', kind: 'unknown' })],
    ['of another kind', new Error('not ours')],
  ])('a command %s is not run elsewhere', async (_what, error) => {
    expect(await tried([error])).toEqual({ tried: ['primary'], outcome: error })
  })

  it('any-failure: also one that may have run, but not what would be the same everywhere', async () => {
    const lost = failure({ code: 'ECONNLOST', kind: 'connection-lost', reached: true })
    expect(await tried([lost], { failOver: 'any-failure' })).toEqual({ tried: ['primary', 'first'], outcome: 'done' })
    const mistake = new InvalidOptionError('port', 'wrong')
    expect(await tried([mistake], { failOver: 'any-failure' })).toEqual({ tried: ['primary'], outcome: mistake })
  })

  it('a rule of one\'s own, and a word before each step', async () => {
    const steps: unknown[] = []
    const error = new Error('mine')
    const options = { failOver: (thrown: unknown) => thrown === error, onFailover: (from: { host: string }, why: unknown) => steps.push([from.host, why]) }
    expect(await tried([error], options)).toEqual({ tried: ['primary', 'first'], outcome: 'done' })
    expect(steps).toEqual([['primary', error]])
  })

  it('all hosts failed: every cause, in order', async () => {
    const errors = [failure({ message: 'one' }), failure({ message: 'two' }), failure({ message: 'three' })]
    const { outcome } = await tried(errors)
    expect(outcome).toBeInstanceOf(AllHostsFailedError)
    expect(outcome).toBeInstanceOf(XecNativeError)
    expect(outcome).toMatchObject({
      name: 'AllHostsFailedError', message: 'All hosts failed', code: 'EALLHOSTS', kind: 'connection-refused', reached: false, errors,
    })
    const { cause } = outcome as AllHostsFailedError
    expect(cause).toBeInstanceOf(AggregateError)
    expect(cause).toMatchObject({ errors, message: 'one; two; three' })
  })

  it('what they have in common is said, and nothing else', () => {
    const mixed = new AllHostsFailedError([failure(), failure({ kind: 'timeout', reached: undefined })])
    expect(mixed.kind).toBe('unknown')
    expect(mixed).not.toHaveProperty('reached')
    expect(new AllHostsFailedError([failure(), failure({ reached: true })])).toMatchObject({ reached: true })
  })
})

describe('on real hosts', () => {
  let server: OpenSSHServer
  beforeAll(async () => { server = await OpenSSHServer.start() })
  afterAll(async () => { await server.stop() })

  it('a primary that is down, a backup that lets us in', async () => {
    await using pool = new SSHConnectionPool()
    const down = server.target({ port: await freePort() })
    const result = await new Failover(pool, down, [server.target()]).exec('echo backup; exit 4')
    expect(result).toMatchObject({ stdout: 'backup\n', exitCode: 4 })
  })

  it('a command that has begun is not begun again', async () => {
    await using pool = new SSHConnectionPool()
    const failover = new Failover(pool, server.target(), [server.target()])
    const lost = failureOf(failover.exec(`echo begun >> /tmp/xec-failover-${server.port}; sleep 300`))
    await server.runs('sleep')
    server.killConnections()
    expect(await lost).toMatchObject({ kind: 'connection-lost', reached: true })
    const { stdout } = await pool.exec(server.target(), `cat /tmp/xec-failover-${server.port}; rm /tmp/xec-failover-${server.port}`)
    expect(stdout).toBe('begun\n')
  })

  it('nobody is there', async () => {
    await using pool = new SSHConnectionPool()
    const ports = [await freePort(), await freePort()]
    const down = ports.map((port) => server.target({ port }))
    const error = await failureOf(new Failover(pool, server.target({ port: await freePort() }), down).exec('true'))
    expect(error).toMatchObject({ message: 'All hosts failed', reached: false })
    if (!(error instanceof AllHostsFailedError)) throw error
    expect(error.errors.slice(1)).toMatchObject(ports.map((port) => ({ kind: 'connection-refused', port })))
  })
})
