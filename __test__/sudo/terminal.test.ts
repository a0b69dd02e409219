import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { OpenSSHMaster } from '../support/control-master'
import { Dropbear } from '../support/dropbear'
import { failureOf, visible } from '../support/failure'
import { SSHConnectionPool, type SSHTarget } from '../support/native'
import { OpenSSHServer, TEST_PASSWORD } from '../support/openssh'
import { until } from '../support/wait'
import { ASKED, METHODS, ODD, ODD_PASSWORD, OUTSIDER, TERMINAL, TRUSTED, as, asked, mentions } from './accounts'

/** Commands by sudo with a terminal: what an account with `requiretty` must have. */

let server: OpenSSHServer
let pool: SSHConnectionPool

const temporary = mkdtempSync(join(tmpdir(), 'xec-sudo-test-'))
chmodSync(temporary, 0o1777)
const nap = `4713.${process.pid}`

beforeAll(async () => { server = await OpenSSHServer.start({ config: [`SetEnv TMPDIR=${temporary}`] }) })
afterAll(async () => {
  await server.stop()
  rmSync(temporary, { recursive: true, force: true })
})
beforeEach(() => { pool = new SSHConnectionPool() })
afterEach(async () => { await pool.dispose() })

const litter = (): string[] => readdirSync(temporary)

const WAYS = [
  ['askpass', ASKED, { password: TEST_PASSWORD, passwordMethod: 'askpass' }],
  ['stdin', ASKED, { password: TEST_PASSWORD, passwordMethod: 'stdin' }],
  ['askpass, without a terminal of sudo\'s own', ODD, { password: ODD_PASSWORD, passwordMethod: 'askpass' }],
  ['stdin, without a terminal of sudo\'s own', ODD, { password: ODD_PASSWORD, passwordMethod: 'stdin' }],
  ['askpass, which must have one', TERMINAL, { password: TEST_PASSWORD, passwordMethod: 'askpass' }],
  ['stdin, which must have one', TERMINAL, { password: TEST_PASSWORD, passwordMethod: 'stdin' }],
  ['no password', TRUSTED, {}],
] as const

describe.each(WAYS)('a terminal with sudo by %s', (_way, username, options) => {
  const target = (): SSHTarget => as(server, username, options)

  it('is one, of the size and kind that was asked for, and shows nothing of what came before', async () => {
    const { stdout, stderr, exitCode } = await pool.exec(target(), 'id -un; test -t 0 && test -t 1 && test -t 2 && echo terminal; stty size; echo $TERM; exit 7', {
      pty: { columns: 97, rows: 31, term: 'vt102' },
    })
    expect({ stdout, stderr, exitCode }).toEqual({ stdout: 'root\r\nterminal\r\n31 97\r\nvt102\r\n', stderr: '', exitCode: 7 })
  })

  it('echoes, edits lines and has keys for signals, as any terminal', async () => {
    const child = pool.spawn(target(), 'read line; echo "got $line"; exec sleep 300', { pty: true, encoding: 'utf8' })
    let shown = ''
    child.stdout.on('data', (text: string) => { shown += text })
    // At once: what is typed waits for its turn.
    child.stdin.write('wrong\x15right\r')
    await until('the line is read', () => shown.includes('got right\r\n'))
    expect(shown).toContain('wrong')
    child.stdin.write('\x03')
    expect(await child.done).toMatchObject({ ok: false })
    expect(shown).not.toContain(TEST_PASSWORD)
  })

  it('a new size arrives', async () => {
    const child = pool.spawn(target(), 'trap "stty size; exit 0" WINCH; echo ready; while :; do sleep 0.05; done', { pty: true, encoding: 'utf8' })
    let shown = ''
    child.stdout.on('data', (text: string) => { shown += text })
    await until('it is ready', () => shown.includes('ready'))
    child.resize(111, 44)
    expect(await child.done).toMatchObject({ exitCode: 0 })
    await until('its last words are read', () => child.stdout.readableEnded)
    expect(shown).toContain('44 111')
  })

  it('an abort ends the command and its children, and leaves nothing behind', async () => {
    const controller = new AbortController()
    const running = failureOf(pool.exec(target(), `sleep ${nap} & sleep ${nap}`, { pty: true, signal: controller.signal }))
    await until('it runs', () => mentions(`sleep\x00${nap}`).length > 0)
    controller.abort()
    expect(await running).toMatchObject({ code: 'ABORT_ERR', reached: true })
    await until('no process is left', () => mentions(nap).length === 0)
    await until('its directory is gone', () => litter().length === 0)
  })
})

describe('a terminal with sudo', () => {
  it.each(METHODS)('a wrong password, by %s', async (passwordMethod) => {
    const error = await failureOf(pool.exec(asked(server, { password: 'wrong-Password-1', passwordMethod }), 'echo ran', { pty: true }))
    expect(error).toMatchObject({ code: 'ESUDO', kind: 'authentication', phase: 'run', reached: true, stdout: '' })
    expect(visible(error)).not.toContain('wrong-Password-1')
  })

  it('an account that must have one is refused without', async () => {
    const error = await failureOf(pool.exec(as(server, TERMINAL, { password: TEST_PASSWORD }), 'echo ran'))
    expect(error).toMatchObject({ code: 'ESUDO', message: expect.stringMatching(/must have a tty/) as string })
  })

  it('an account that may not', async () => {
    const error = await failureOf(pool.exec(as(server, OUTSIDER, { password: TEST_PASSWORD }), 'echo ran', { pty: true }))
    expect(error).toMatchObject({ code: 'ESUDO' })
  })

  it.each(METHODS)('the password, by %s, is in no process list and on no screen', async (passwordMethod) => {
    const seen = new Set<string>()
    const child = pool.spawn(as(server, ODD, { password: ODD_PASSWORD, passwordMethod }), `echo started; sleep ${nap}`, { pty: true, encoding: 'utf8' })
    let shown = ''
    child.stdout.on('data', (text: string) => { shown += text })
    await until('it runs', () => {
      for (const place of mentions(ODD_PASSWORD)) seen.add(place)
      return mentions(`sleep\x00${nap}`).length > 0
    })
    for (const place of mentions(ODD_PASSWORD)) seen.add(place)
    child.kill('SIGTERM')
    await child.done
    await until('it is gone', () => mentions(nap).length === 0)
    expect([...seen]).toEqual([])
    expect(shown).toBe('started\r\n')
    expect(server.log).not.toContain(ODD_PASSWORD)
  })

  it('over dropbear', async () => {
    const dropbear = await Dropbear.start('127.0.0.1')
    try {
      const target = {
        host: '127.0.0.1', port: dropbear.port, username: ASKED, password: TEST_PASSWORD, knownHostsPath: dropbear.knownHosts,
        sudo: { enabled: true, password: TEST_PASSWORD },
      }
      expect((await pool.exec(target, 'id -un; tty >/dev/null && echo terminal', { pty: true })).stdout).toBe('root\r\nterminal\r\n')
    } finally {
      await dropbear.stop()
    }
  })

  it('through ssh -M it is refused before anything is typed: there its modes cannot be asked for', async () => {
    const path = join(temporary, 'control')
    const master = await OpenSSHMaster.start(server, path, ASKED)
    const target = { ...asked(server), controlPath: path }
    const error = await failureOf(pool.exec(target, 'id -un', { pty: true }))
    expect(error).toMatchObject({ code: 'ECHANNEL', reached: false })
    expect(error.message).toMatch(/ControlMaster/)
    expect((await pool.exec(target, 'id -un')).stdout).toBe('root\n')
    await master.stop()
  })
})
