import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, existsSync, lstatSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { type Socket, createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { SSHTarget } from '../../index.mjs'
import { OpenSSHMaster, spawnThrough, sshThrough } from '../support/control-master'
import { failureOf } from '../support/failure'
import { Gate } from '../support/gate'
import { SSHAdapter, SSHConnectionPool } from '../support/native'
import { OpenSSHServer, TEST_USER } from '../support/openssh'
import { until } from '../support/wait'

let server: OpenSSHServer
let directory: string
let path: string
let pool: SSHConnectionPool

beforeAll(async () => { server = await OpenSSHServer.start({ sftp: 'internal-sftp' }) })
afterAll(async () => { await server.stop() })

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'xec-mux-'))
  path = join(directory, 'control')
  pool = new SSHConnectionPool()
})

afterEach(async () => {
  await pool.dispose()
  rmSync(directory, { recursive: true, force: true })
})

const target = (extra: Partial<SSHTarget> = {}): SSHTarget =>
  server.target({ controlMaster: true, controlPath: path, controlPersist: '10m', ...extra })

/** The pool has a connection, and serves it. */
async function serving(extra: Partial<SSHTarget> = {}): Promise<void> {
  expect((await pool.exec(target(extra), 'echo mine')).stdout).toBe('mine\n')
  await until('the control socket is there', () => existsSync(path))
}

const connections = (): Promise<number> => server.counted(/^Connection from /)

describe('ssh over our connection', () => {
  it('ssh -O check finds a master, and that it is us', async () => {
    await serving()
    const { code, stderr } = await sshThrough(path, ['-O', 'check', 'host'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: `Master running (pid=${process.pid})\r\n` })
  })

  it('runs commands with stdin, both outputs and the exit code, and makes no connection', async () => {
    await serving()
    const before = await connections()
    const { code, stdout, stderr } = await sshThrough(path, ['host', 'whoami; cat; echo problem >&2; exit 7'], 'to stdin\n')
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({ code: 7, stdout: `${TEST_USER}\nto stdin\n`, stderr: 'problem\n' })
    expect(await connections()).toBe(before)
    expect(pool.getStats()).toMatchObject({ activeChannels: 0, totalConnections: 1 })
  })

  it('a command that a signal ends is no success', async () => {
    await serving()
    expect((await sshThrough(path, ['host', 'kill -KILL $$'])).code).toBe(255)
  })

  it('fifty sessions at once: those the server has no room for wait', async () => {
    await serving({ poolConfig: { maxConnections: 1 } })
    const before = await connections()
    const results = await Promise.all(Array.from({ length: 50 }, (_, i) => sshThrough(path, ['host', `echo ${i}; exit ${i}`])))
    expect(results.map(({ code, stdout, stderr }) => `${code} ${stdout.toString()}${stderr}`))
      .toEqual(Array.from({ length: 50 }, (_, i) => `${i} ${i}\n`))
    expect(await connections()).toBe(before)
  })

  it('64 MiB in each direction arrive whole', async () => {
    await serving()
    const data = Buffer.alloc(64 * 1024 * 1024)
    for (let i = 0; i < data.length; i += 4096) data.writeUInt32LE(i, i)
    const { code, stdout } = await sshThrough(path, ['host', 'cat'], data)
    expect(code).toBe(0)
    expect(createHash('sha256').update(stdout).digest('hex')).toBe(createHash('sha256').update(data).digest('hex'))
    expect(pool.getStats()).toMatchObject({ totalConnections: 1, connectionsCreated: 1 })
  })

  it('files and pipes as descriptors', async () => {
    await serving()
    const piped = `ssh -F none -S ${path} host 'cat; echo more' < /etc/hostname | tr a-z A-Z`
    const expected = `cat /etc/hostname | tr a-z A-Z; echo MORE`
    expect((await shell(piped)).stdout).toBe((await shell(expected)).stdout)
    expect(await shell(`ssh -F none -n -S ${path} host cat > ${directory}/out; cat ${directory}/out`)).toEqual({ code: 0, stdout: '' })
    expect(await shell(`ssh -F none -S ${path} host 'seq 100000' </dev/null | head -2`)).toEqual({ code: 0, stdout: '1\n2\n' })
  })

  it('a terminal, of the size and the kind that the visitor has', async () => {
    await serving()
    const inner = `stty cols 97 rows 31; TERM=vt102 ssh -F none -tt -S ${path} host 'tty; stty size; echo $TERM; stty -a | tr \\; \\\\n | grep intr'`
    const { stdout } = await shell(`script -qec "${inner.replaceAll('$', '\\$')}" /dev/null < /dev/null`)
    expect(stdout).toMatch(/\/dev\/pts\/\d+\r?\n[^]*31 97\r?\n[^]*vt102\r?\n[^]*intr = \^C/)
  })

  it('the visitor is killed: its command ends, ours goes on', async () => {
    await serving()
    const gate = new Gate(server)
    const ours = pool.exec(target(), `cat /proc/sys/kernel/ostype; ${gate.wait}; echo done`)
    const visitor = spawnThrough(path, ['host', 'exec sleep 301'])
    await server.runs('sleep')
    visitor.kill('SIGKILL')
    await server.runs('sleep', 0)
    gate.open()
    expect((await ours).stdout).toBe('Linux\ndone\n')
    gate.close()
  })

  it('a visitor that does not read holds up nobody for good', async () => {
    await serving()
    const visitor = spawnThrough(path, ['host', 'yes'])
    visitor.stdout.pause()
    await server.runs('yes')
    // The connection that is held up takes nothing new, and goes when the visitor does.
    for (let i = 0; i < 20 || pool.getStats().connectionsCreated < 2; i++) {
      expect((await pool.exec(target(), `echo ${i}`, { timeout: 10_000 })).stdout).toBe(`${i}\n`)
    }
    visitor.kill('SIGKILL')
    await server.runs('yes', 0)
    await until('it is gone', () => pool.getStats().totalConnections === 1)
  })

  it('ssh -O stop takes the socket away, and leaves what runs alone', async () => {
    await serving()
    const visitor = spawnThrough(path, ['host', 'read line; echo $line'])
    await until('the session runs', () => pool.getStats().activeChannels === 1)
    expect((await sshThrough(path, ['-O', 'stop', 'host'])).code).toBe(0)
    await until('the socket is gone', () => !existsSync(path))
    visitor.stdin.end('still here\n')
    const [output] = await once(visitor.stdout, 'data') as [Buffer]
    expect(output.toString()).toBe('still here\n')
  })

  it('ssh -O exit ends the others\' commands and the sharing, but not our own commands', async () => {
    await serving()
    const gate = new Gate(server)
    const ours = pool.exec(target(), `${gate.wait}; echo done`)
    const visitor = spawnThrough(path, ['host', 'exec sleep 301'])
    await server.runs('sleep')
    const left = once(visitor, 'close')
    expect((await sshThrough(path, ['-O', 'exit', 'host'])).code).toBe(0)
    expect((await left)[0]).toBe(255)
    expect(existsSync(path)).toBe(false)
    gate.open()
    expect((await ours).stdout).toBe('done\n')
    gate.close()
  })

  it('what the server refuses to run is no success', async () => {
    await serving()
    const { code, stderr } = await sshThrough(path, ['-s', 'host', 'no-such-subsystem'])
    expect({ code, stderr }).toEqual({ code: 255, stderr: 'the server refused to run the command\r\n' })
  })

  it('an sftp client works over it', async () => {
    await serving()
    const { stdout } = await shell(`echo 'ls /etc/hostname' | sftp -b - -F none -o ControlPath=${path} host`)
    expect(stdout).toContain('/etc/hostname')
  })

  it('the server dies: the visitor learns it, and the socket goes', async () => {
    await serving({ poolConfig: { reconnect: { enabled: false } } })
    const visitor = spawnThrough(path, ['host', 'exec sleep 302'])
    await server.runs('sleep')
    const left = once(visitor, 'close')
    server.killConnections()
    expect((await left)[0]).toBe(255)
    await until('the socket is gone', () => !existsSync(path))
  })
})

describe('visitors that are no ssh', () => {
  const visits: [string, (socket: Socket) => void][] = [
    ['says nothing', () => undefined],
    ['sends garbage', (socket) => socket.write(Buffer.alloc(5000, 0x41))],
    ['announces 4 GiB', (socket) => socket.write(Buffer.alloc(64, 0xff))],
    ['leaves in the middle of a packet', (socket) => socket.end(Buffer.from('00000008000000', 'hex'))],
    // A greeting, and a session with nothing in its fields whose descriptors never come.
    ['promises descriptors', (socket) => socket.write(Buffer.from(`000000080000000100000004 00000028 10000002 00000001 ${'00000000'.repeat(8)}`.replaceAll(' ', ''), 'hex'))],
    // A greeting, proxy mode, and data for a channel that was never opened.
    ['writes to a channel of nobody', (socket) => socket.write(Buffer.from('000000080000000100000004 00000008 1000000f 00000001 0000000e 00 5e 00000063 00000004 61616161'.replaceAll(' ', ''), 'hex'))],
  ]

  it.each(visits)('one that %s', async (_, behave) => {
    await serving()
    const socket = createConnection(path)
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    behave(socket)
    expect((await sshThrough(path, ['host', 'echo well'])).stdout.toString()).toBe('well\n')
    socket.destroy()
  })

  it('one of another user is hung up on, even if it got as far as that', async () => {
    await serving()
    chmodSync(directory, 0o755)
    chmodSync(path, 0o666)
    const { code, stdout } = await shell(`runuser -u ${TEST_USER} -- ssh -F none -S ${path} -O check host 2>&1`)
    expect(code).not.toBe(0)
    expect(stdout).not.toContain('Master running')
    expect((await sshThrough(path, ['-O', 'check', 'host'])).code).toBe(0)
  })
})

describe('the adapter', () => {
  it('shares with multiplexing what says nothing else', async () => {
    const adapter = new SSHAdapter({ multiplexing: { controlPath: path, controlPersist: '10m' } })
    await adapter.execute({ command: 'true', adapterOptions: { type: 'ssh', ...server.target() } })
    await until('the control socket is there', () => existsSync(path))
    expect((await sshThrough(path, ['host', 'echo through'])).stdout.toString()).toBe('through\n')
    await adapter.dispose()
    await until('the control socket is gone', () => !existsSync(path))
  })
})

describe('the socket', () => {
  it('is for its owner alone, and goes with the connection', async () => {
    await serving()
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readdirSync(directory)).toEqual(['control'])
    await pool.closeAll()
    await until('the socket is gone', () => !existsSync(path))
  })

  it('stays as long as controlPersist says after the last use', async () => {
    await serving({ controlPersist: 300 })
    await until('the socket is gone', () => !existsSync(path), 5_000)
    expect(pool.getStats().totalConnections).toBe(0)
  })

  it('is not put where others may write', async () => {
    chmodSync(directory, 0o777)
    expect((await pool.exec(target(), 'echo mine')).stdout).toBe('mine\n')
    expect((await pool.exec(target(), 'echo again')).stdout).toBe('again\n')
    expect(readdirSync(directory)).toEqual([])
  })

  it('takes the place of a dead one', async () => {
    const dead = await OpenSSHMaster.start(server, path)
    await dead.kill()
    server.killConnections()
    await serving()
    expect((await sshThrough(path, ['host', 'echo through'])).stdout.toString()).toBe('through\n')
  })

  it('is not made with controlMaster false', async () => {
    await pool.exec(target({ controlMaster: false }), 'true')
    expect(existsSync(path)).toBe(false)
  })

  it('with a master there, auto is a client of it', async () => {
    const master = await OpenSSHMaster.start(server, path)
    const before = await connections()
    await pool.exec(target({ controlMaster: 'auto' }), 'true')
    expect(await connections()).toBe(before)
    await master.stop()
  })

  it('when the connection that serves is lost, another one of the pool takes over', async () => {
    const poolConfig = { channelsPerConnection: 1, reconnect: { enabled: false } }
    await serving({ poolConfig })
    // An inode's number may be given again at once.
    const made = (): bigint => lstatSync(path, { bigint: true }).ctimeNs
    const first = made()
    const gates = [new Gate(server), new Gate(server)] as const
    // The first one runs on the connection that there is, and so the second one makes another.
    const lost = failureOf(pool.exec(target({ poolConfig }), `exec 2>&1; echo $PPID; ${gates[0].wait}`))
    await until('it runs', () => pool.getStats().activeChannels === 1)
    const processes = server.serving()
    const kept = pool.exec(target({ poolConfig }), `${gates[1].wait}; echo kept`)
    await until('both run', () => pool.getStats().activeChannels === 2)
    expect(pool.getStats().totalConnections).toBe(2)
    for (const pid of processes) process.kill(pid, 'SIGKILL')
    expect(await lost).toMatchObject({ code: 'ECONNLOST' })
    await until('the successor serves', () => existsSync(path) && made() !== first)
    expect((await sshThrough(path, ['-O', 'check', 'host'])).code).toBe(0)
    gates[1].open()
    expect((await kept).stdout).toBe('kept\n')
    expect((await sshThrough(path, ['host', 'echo through'])).stdout.toString()).toBe('through\n')
    gates.forEach((gate) => { gate.close() })
  })

  it('a visitor that leaves before its turn has nothing run', async () => {
    const poolConfig = { maxConnections: 1, channelsPerConnection: 1 }
    await serving({ poolConfig })
    const gate = new Gate(server)
    const ours = pool.exec(target({ poolConfig }), `${gate.wait}; echo done`)
    await until('it runs', () => pool.getStats().activeChannels === 1)
    const visitor = spawnThrough(path, ['host', `touch ${directory}/ran; echo ran`])
    await until('it waits', () => pool.getStats().queued === 1)
    visitor.kill('SIGKILL')
    await until('it waits no more', () => pool.getStats().queued === 0)
    const before = await server.counted(/^Starting session/)
    gate.open()
    expect((await ours).stdout).toBe('done\n')
    expect((await pool.exec(target({ poolConfig }), 'echo next')).stdout).toBe('next\n')
    expect(await server.counted(/^Starting session/)).toBe(before + 1)
    gate.close()
  })

  it('bad options are refused by name', async () => {
    for (const [option, extra] of [
      ['controlPath', { controlPath: '/tmp/%x' }], ['controlPath', { controlPath: '' }], ['controlPath', { controlPath: `/tmp/${'x'.repeat(200)}` }],
      ['controlPersist', { controlPersist: 'soon' }], ['controlPersist', { controlPersist: -1 }], ['controlPersist', { controlPersist: {} }],
      ['controlMaster', { controlMaster: 'yes' }],
    ] as const) {
      const error = await failureOf(pool.exec(target(extra as Partial<SSHTarget>), 'true'))
      expect(error).toMatchObject({ code: 'EINVAL_OPTION' })
      expect(error.message).toContain(option)
    }
  })
})

async function shell(line: string): Promise<{ code: number | null, stdout: string }> {
  const child = spawn('sh', ['-c', line], { stdio: ['ignore', 'pipe', 'inherit'], timeout: 30_000 })
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { stdout += text })
  const [code] = await once(child, 'close') as [number | null]
  return { code, stdout }
}
