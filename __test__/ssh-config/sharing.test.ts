import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { OpenSSHMaster } from '../support/control-master'
import { failureOf } from '../support/failure'
import { SSHConnectionPool, type SSHTarget } from '../support/native'
import { OpenSSHServer, TEST_USER } from '../support/openssh'
import { until } from '../support/wait'

const run = promisify(execFile)

let server: OpenSSHServer
let directory: string
let pool: SSHConnectionPool
let sshConfig: string

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'xec-mux-'))
  pool = new SSHConnectionPool()
})
afterEach(async () => {
  await pool.dispose()
  rmSync(directory, { recursive: true, force: true })
})

/** For both: the real client reads the same file. */
function configure(lines: string, login = `IdentityFile ${server.userKey.path}`): void {
  sshConfig = join(directory, 'config')
  const rest = `HostName 127.0.0.1\nPort ${server.port}\nUser ${TEST_USER}\nUserKnownHostsFile ${server.knownHosts}\nStrictHostKeyChecking accept-new\n`
  writeFileSync(sshConfig, `${lines}\nHost web\n${rest}${login}\n`, { mode: 0o600 })
}

const web = (extra: Partial<SSHTarget> = {}): SSHTarget => ({ host: 'web', sshConfig, ...extra })

/** What the real client says, by the same file. */
const client = async (...args: string[]): Promise<string> => {
  const { stdout, stderr } = await run('ssh', ['-F', sshConfig, '-o', 'BatchMode=yes', ...args], { timeout: 30_000 })
  return stdout + stderr
}

const connections = (): Promise<number> => server.counted(/^Connection from /)

describe('ControlMaster, ControlPath and ControlPersist of the configuration', () => {
  it.each(['%C', '%n-%r@%h:%p'])('with %s, the real client finds our connection', async (name) => {
    configure(`ControlMaster auto\nControlPath ${directory}/${name}\nControlPersist 10m`)
    await pool.exec(web(), 'true')
    await until('the socket is there', () => readdirSync(directory).some((file) => file !== 'config' && !file.startsWith('.')))
    const before = await connections()
    expect(await client('-O', 'check', 'web')).toContain(`pid=${process.pid}`)
    expect(await client('web', 'echo through')).toBe('through\n')
    expect(await connections()).toBe(before)
  })

  it('ControlPath alone only uses what is there', async () => {
    configure(`ControlPath ${directory}/%n`, 'IdentityFile /nowhere')
    const master = await OpenSSHMaster.start(server, join(directory, 'web'))
    const before = await connections()
    expect((await pool.exec(web(), 'echo found')).stdout).toBe('found\n')
    expect(await connections()).toBe(before)
    await master.stop()
    expect(await failureOf(pool.exec(web(), 'true'))).toMatchObject({ code: 'EAUTH' })
    expect(existsSync(join(directory, 'web'))).toBe(false)
  })

  it('ControlPersist says how long the connection stays', async () => {
    configure(`ControlMaster auto\nControlPath ${directory}/%n\nControlPersist 1`)
    await pool.exec(web(), 'true')
    await until('the socket is there', () => existsSync(join(directory, 'web')))
    await until('the socket is gone', () => !existsSync(join(directory, 'web')), 20_000)
  })

  it('what the target says wins, word by word', async () => {
    configure(`ControlMaster auto\nControlPath ${directory}/from-file\nControlPersist 10m`)
    const mine = web({ controlPath: `${directory}/mine-%n-%h` })
    await pool.exec(mine, 'true')
    // Its tokens are the configuration's: %n is the name that was given.
    await until('the socket is there', () => existsSync(join(directory, 'mine-web-127.0.0.1')))
    for (const extra of [{ controlMaster: false }, { controlPath: 'none' }]) await pool.exec(web(extra), 'true')
    expect(existsSync(join(directory, 'from-file'))).toBe(false)
  })

  it.each(['ControlMaster no', 'ControlMaster ask', 'ControlPath none'])('%s makes no socket', async (first) => {
    configure(`${first}\nControlMaster auto\nControlPath ${directory}/%n`)
    await pool.exec(web(), 'true')
    expect((await pool.exec(web(), 'echo again')).stdout).toBe('again\n')
    expect(existsSync(join(directory, 'web'))).toBe(false)
  })

  it('a path that is too long is refused by name', async () => {
    configure(`ControlMaster auto\nControlPath ${directory}/${'x'.repeat(120)}`)
    const error = await failureOf(pool.exec(web(), 'true'))
    expect(error).toMatchObject({ code: 'EINVAL_OPTION', message: expect.stringMatching(/controlPath/) as string })
  })
})

describe('GlobalKnownHostsFile', () => {
  it('revokes a key that the user\'s own file trusts', async () => {
    const { stdout } = await run('ssh-keyscan', ['-t', 'ed25519', '-p', String(server.port), '127.0.0.1'])
    const key = stdout.trim().split(' ').slice(1).join(' ')
    const [users, machines] = ['users', 'machines'].map((name) => join(directory, name)) as [string, string]
    writeFileSync(users, `[127.0.0.1]:${server.port} ${key}\n`)
    writeFileSync(machines, '# nothing yet\n')
    configure(`GlobalKnownHostsFile ${directory}/missing ${machines}\nUserKnownHostsFile ${users}`)
    await pool.exec(web(), 'true')
    writeFileSync(machines, `@revoked * ${key}\n`)
    await pool.closeAll()
    const error = await failureOf(pool.exec(web(), 'true'))
    expect(error).toMatchObject({ code: 'EHOSTKEY', hostKey: { problem: 'revoked', place: { file: machines, line: 1 } } })
    // A file that the target names takes the place of the user's, not of the machine's.
    expect(await failureOf(pool.exec(web({ knownHostsPath: users }), 'true'))).toMatchObject({ hostKey: { problem: 'revoked' } })
    await expect(client('web', 'true')).rejects.toThrow(/revoked/)
  })

  it('trusts for the user, too', async () => {
    const { stdout } = await run('ssh-keyscan', ['-t', 'ed25519', '-p', String(server.port), '127.0.0.1'])
    const machines = join(directory, 'machines')
    writeFileSync(machines, stdout)
    configure(`GlobalKnownHostsFile ${machines}\nUserKnownHostsFile none\nStrictHostKeyChecking yes`)
    expect((await pool.exec(web(), 'echo known')).stdout).toBe('known\n')
  })
})
