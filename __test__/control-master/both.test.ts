import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Gate } from '../support/gate'
import { SSHConnectionPool } from '../support/native'
import { OpenSSHServer, TEST_USER } from '../support/openssh'
import { Program } from '../support/program'
import { until } from '../support/wait'

const script = join(__dirname, '../fixtures/control-master/client.mjs')

let server: OpenSSHServer
let directory: string
let path: string
/** Where the server's user may write. */
let shared: string
let pool: SSHConnectionPool

beforeEach(async () => {
  server = await OpenSSHServer.start()
  directory = mkdtempSync(join(tmpdir(), 'xec-mux-'))
  path = join(directory, 'control')
  shared = mkdtempSync(join(tmpdir(), 'xec-shared-'))
  chmodSync(shared, 0o777)
  pool = new SSHConnectionPool()
  await pool.exec(server.target({ controlMaster: true, controlPath: path, poolConfig: { maxConnections: 1 } }), 'true')
  await until('the control socket is there', () => existsSync(path))
})

afterEach(async () => {
  await pool.dispose()
  await server.stop()
  for (const made of [directory, shared]) rmSync(made, { recursive: true })
})

const client = (env: Record<string, string> = {}): Program =>
  new Program(script, { SSH_PORT: String(server.port), SSH_USER: TEST_USER, CONTROL_PATH: path, ...env })

describe('our client through our master, in two processes', () => {
  it('everything works as over a connection of its own, and there is one', async () => {
    const other = client()
    expect(await other.end()).toEqual({ code: 0, signal: null, stderr: '' })
    expect(JSON.parse(other.lines[0] ?? '')).toEqual({
      plain: ['to stdin\n', 'problem\n', 7], killed: [137, 'SIGKILL'], many: true, big: true, late: ['ETIMEDOUT', true],
    })
    await server.runs('sleep', 0)
    expect(await server.counted(/^Connection from /)).toBe(1)
  })

  it('streams, files and forwards go through it as well, with nothing to log in with', async () => {
    const own = join(directory, 'wide')
    const wide = server.target({ controlMaster: true, controlPath: own })
    await pool.exec(wide, 'true')
    await until('the control socket is there', () => existsSync(own))
    const before = pool.getStats().activeChannels
    const other = new Program(join(__dirname, '../fixtures/control-master/uses.mjs'), {
      SSH_PORT: String(server.port), SSH_USER: TEST_USER, CONTROL_PATH: own, DIRECTORY: shared, THEN_STREAM: '1',
    })
    await other.says('streaming')
    expect(JSON.parse(other.lines[0] ?? '')).toEqual({
      first: 'got one', second: 'got two', code: 4, signal: 'SIGTERM', sizes: true, beside: 'well\n', unread: 'y\ny\n', size: '33 91',
      resized: '44 101', files: true, listed: true, local: true, remote: true, refused: 'EFORWARDTARGET', closed: true,
    })
    // All of them are connections of this process.
    expect(await server.counted(/^Connection from /)).toBe(pool.getStats().connectionsCreated)
    await server.runs('yes', 0)
    await pool.closeAll()
    expect(await other.end()).toEqual({ code: 0, signal: null, stderr: '' })
    expect(JSON.parse(other.lines.at(-1) ?? '')).toEqual(['ECONNLOST', true])
    await server.runs('sleep', 0)
    expect(pool.getStats().activeChannels).toBe(before)
  })

  it('while the master has others to serve, a client waits; after its time it is told so, and no connection counts as lost', async () => {
    const gate = new Gate(server)
    // One connection with room for one command.
    const own = join(directory, 'busy')
    const busy = server.target({ controlMaster: true, controlPath: own, poolConfig: { maxConnections: 1, channelsPerConnection: 1 } })
    await pool.exec(busy, 'true')
    await until('the control socket is there', () => existsSync(own))
    const running = pool.exec(busy, `${gate.wait}; echo done`)
    const other = new Program(join(__dirname, '../fixtures/control-master/turn.mjs'), { SSH_PORT: String(server.port), SSH_USER: TEST_USER, CONTROL_PATH: own })
    await other.says(JSON.stringify(['ECHANNEL', false, true]))
    gate.open()
    expect((await running).stdout).toBe('done\n')
    expect(await other.end()).toEqual({ code: 0, signal: null, stderr: '' })
    expect(other.lines.at(-1)).toBe(JSON.stringify(['my turn\n', 0]))
    gate.close()
  })

  it('the client is killed: its command ends', async () => {
    const other = client({ THEN_SLEEP: '1' })
    await other.says('sleeping')
    await server.runs('sleep')
    other.kill('SIGKILL')
    await other.end()
    await server.runs('sleep', 0)
    await until('its channels are free', () => pool.getStats().activeChannels === 0)
  })

  it('a process that ends without closing its pool takes its socket along', async () => {
    const own = join(directory, 'own')
    const target = JSON.stringify(server.target({ controlMaster: true, controlPath: own }))
    const leaving = new Program(join(__dirname, '../fixtures/control-master/leave.mjs'), { XEC_TEST_TARGET: target })
    expect(await leaving.end()).toEqual({ code: 0, signal: null, stderr: '' })
    expect(leaving.lines).toEqual(['true'])
    expect(existsSync(own)).toBe(false)
  })

  it('the master closes its pool: connection-lost in the client, never an exit code', async () => {
    const other = client({ THEN_SLEEP: '1' })
    await other.says('sleeping')
    await server.runs('sleep')
    await pool.closeAll()
    expect(await other.end()).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(other.lines.at(-1) ?? '')).toEqual(['ECONNLOST', true, expect.stringMatching(/^(begun\n)?$/)])
  })
})
