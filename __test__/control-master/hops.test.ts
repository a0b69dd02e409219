import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { SSHTarget } from '../../index.mjs'
import { OpenSSHMaster, sshThrough } from '../support/control-master'
import { failureOf } from '../support/failure'
import { SSHConnectionPool } from '../support/native'
import { OpenSSHServer, TEST_USER } from '../support/openssh'
import { freePort } from '../support/ports'
import { Program } from '../support/program'
import { until } from '../support/wait'

/** Jump hosts that are reached by somebody else's master, with nothing to log in there with. */

const FAR = '127.0.0.3'

let hop: OpenSSHServer
let far: OpenSSHServer
let directory: string
let path: string
let pool: SSHConnectionPool

beforeAll(async () => {
  hop = await OpenSSHServer.start()
  far = await OpenSSHServer.start({ addresses: [FAR] })
})
afterAll(async () => {
  await hop.stop()
  await far.stop()
})

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'xec-mux-'))
  path = join(directory, 'control')
  pool = new SSHConnectionPool()
})

afterEach(async () => {
  await pool.dispose()
  rmSync(directory, { recursive: true, force: true })
})

/** Without the master nobody gets in there. */
const viaHop = (): SSHTarget => ({ host: '127.0.0.1', port: hop.port, username: TEST_USER, controlPath: path })
const target = (extra: Partial<SSHTarget> = {}): SSHTarget => far.target({ host: FAR, jumpHost: viaHop(), ...extra })

const connections = (server: OpenSSHServer): Promise<number> => server.counted(/^Connection from /)

describe('a jump host by ssh -M', () => {
  let master: OpenSSHMaster
  let before: number

  beforeEach(async () => {
    master = await OpenSSHMaster.start(hop, path)
    before = await connections(hop)
  })
  afterEach(async () => { await master.stop() })

  it('commands, streams, files and forwards behind it, and no connection of our own to it', async () => {
    expect((await pool.exec(target(), 'echo behind; exit 3'))).toMatchObject({ stdout: 'behind\n', exitCode: 3 })
    const data = Buffer.alloc(4_000_000, 'abcdefghi')
    const echoed = await Promise.all(Array.from({ length: 8 }, () => pool.exec(target(), 'cat', { stdin: data, maxBuffer: data.length, encoding: 'buffer' })))
    const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
    for (const { stdout } of echoed) expect(hash(stdout)).toBe(hash(data))
    const child = pool.spawn(target(), 'echo streamed')
    expect((await child[Symbol.asyncIterator]().next()).value).toBe('streamed')
    await child.done
    const sftp = await pool.sftp(target())
    expect((await sftp.readdir('/etc')).some(({ name }) => name === 'passwd')).toBe(true)
    await sftp.close()
    const tunnel = await pool.forwardLocal(target(), { remoteHost: FAR, remotePort: far.port })
    const [greeting] = await once(connect(tunnel.localPort, '127.0.0.1'), 'data') as [Buffer]
    expect(greeting.toString()).toMatch(/^SSH-2\.0-/)
    await tunnel.close()
    expect(await connections(hop)).toBe(before)
    expect((await sshThrough(path, ['-O', 'check', 'host'])).code).toBe(0)
  })

  it('what it cannot reach is refused in its words, and by its name', async () => {
    const error = await failureOf(pool.exec(target({ port: await freePort() }), 'true'))
    expect(error).toMatchObject({ code: 'EJUMPHOST', reached: false })
    expect(error.message).toContain(`${TEST_USER}@127.0.0.1:${hop.port}`)
    expect(`${error.message} ${String(error.cause)}`).toMatch(/ControlMaster/)
    expect((await sshThrough(path, ['-O', 'check', 'host'])).code).toBe(0)
  })

  it('it dies with a command behind it: the hop is named; the next one has a connection of its own', async () => {
    const own = target({ jumpHost: hop.target({ controlPath: path }) })
    // One that notices that nobody reads it any more.
    const running = failureOf(pool.exec(own, 'while sleep 0.11; do echo tick; done'))
    await far.runs('sleep')
    expect(await connections(hop)).toBe(before)
    await master.kill()
    const error = await running
    expect(error).toMatchObject({ code: 'ECONNLOST', reached: true })
    expect(`${error.message} ${String(error.cause)}`).toContain(`${TEST_USER}@127.0.0.1:${hop.port}`)
    expect((await pool.exec(own, 'echo again')).stdout).toBe('again\n')
    expect(await connections(hop)).toBe(before + 1)
    await far.runs('sleep', 0)
  })

  it('the last of two hops: the first one is not needed', async () => {
    const nobody = await freePort()
    const first: SSHTarget = { host: '127.0.0.1', port: nobody, username: TEST_USER, privateKey: hop.userKey.path }
    expect((await pool.exec(target({ jumpHost: { ...viaHop(), jumpHost: first } }), 'echo behind')).stdout).toBe('behind\n')
    expect(await connections(hop)).toBe(before)
  })

  it('as the ssh configuration says', async () => {
    const config = join(directory, 'config')
    writeFileSync(config, [
      'Host hop', '  HostName 127.0.0.1', `  Port ${hop.port}`, `  User ${TEST_USER}`, `  ControlPath ${path}`,
      'Host far', `  HostName ${FAR}`, `  Port ${far.port}`, `  User ${TEST_USER}`, '  ProxyJump hop', `  IdentityFile ${far.userKey.path}`,
      `  UserKnownHostsFile ${far.knownHosts}`, '  StrictHostKeyChecking accept-new',
    ].join('\n'))
    expect((await pool.exec({ host: 'far', sshConfig: config }, 'echo configured')).stdout).toBe('configured\n')
    expect(await connections(hop)).toBe(before)
  })
})

describe('a jump host by a master of ours', () => {
  it('in another process', async () => {
    const serving = new SSHConnectionPool()
    await serving.exec(hop.target({ controlMaster: true, controlPath: path }), 'true')
    await until('the control socket is there', () => existsSync(path))
    const before = await connections(hop)
    const behind = new Program(join(__dirname, '../fixtures/control-master/behind.mjs'), { XEC_TEST_TARGET: JSON.stringify(target()) })
    expect(await behind.end()).toEqual({ code: 0, signal: null, stderr: '' })
    expect(behind.lines).toEqual(['behind', '3000000'])
    expect(await connections(hop)).toBe(before)
    await serving.dispose()
  })

  it('in the same process: a connection of its own', async () => {
    const shared = hop.target({ controlMaster: true, controlPath: path })
    await pool.exec(shared, 'true')
    await until('the control socket is there', () => existsSync(path))
    const before = await connections(hop)
    expect((await pool.exec(target({ jumpHost: shared }), 'echo behind')).stdout).toBe('behind\n')
    expect(await connections(hop)).toBe(before + 1)
  })

  it('a hop serves nobody, and lets a dead socket lie', async () => {
    const dead = await OpenSSHMaster.start(hop, path)
    await dead.kill()
    expect((await pool.exec(target({ jumpHost: hop.target({ controlMaster: true, controlPath: path }) }), 'echo behind')).stdout).toBe('behind\n')
    expect((await sshThrough(path, ['-O', 'check', 'host'])).code).not.toBe(0)
    expect(existsSync(path)).toBe(true)
  })
})
