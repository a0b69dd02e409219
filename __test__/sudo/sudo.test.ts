import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { SSHAdapter, SSHConnectionPool } from '../support/native'
import { Dropbear } from '../support/dropbear'
import { failureOf, visible } from '../support/failure'
import { OpenSSHServer, TEST_PASSWORD } from '../support/openssh'
import { isRunning, programOf } from '../support/processes'
import { until } from '../support/wait'
import { ASKED, METHODS, ODD, ODD_PASSWORD, OUTSIDER, TRUSTED, as, asked, mentions } from './accounts'

let server: OpenSSHServer
let pool: SSHConnectionPool

/** The server's TMPDIR: what the shells around a command leave there is nobody else's. */
const temporary = mkdtempSync(join(tmpdir(), 'xec-sudo-test-'))
chmodSync(temporary, 0o1777)
/** A time that no other run of these tests sleeps for. */
const nap = `4711.${process.pid}`

beforeAll(async () => { server = await OpenSSHServer.start({ config: [`SetEnv TMPDIR=${temporary}`] }) })
afterAll(async () => {
  await server.stop()
  rmSync(temporary, { recursive: true, force: true })
})
beforeEach(() => { pool = new SSHConnectionPool() })
afterEach(async () => { await pool.dispose() })

const litter = (): string[] => readdirSync(temporary)

/** Every way to get rights: with a password each way, with none needed, and with one that is not asked for. */
const WAYS = [
  ['askpass', ASKED, { password: TEST_PASSWORD, passwordMethod: 'askpass' }],
  ['stdin', ASKED, { password: TEST_PASSWORD, passwordMethod: 'stdin' }],
  ['echo, which means stdin', ASKED, { password: TEST_PASSWORD, passwordMethod: 'echo' }],
  ['secure, which means askpass', ASKED, { password: TEST_PASSWORD, passwordMethod: 'secure' }],
  ['askpass, without a terminal of sudo\'s own', ODD, { password: ODD_PASSWORD, passwordMethod: 'askpass' }],
  ['stdin, without a terminal of sudo\'s own', ODD, { password: ODD_PASSWORD, passwordMethod: 'stdin' }],
  ['no password', TRUSTED, {}],
  ['askpass and a password that nobody asks for', TRUSTED, { password: TEST_PASSWORD, passwordMethod: 'askpass' }],
  ['stdin and a password that nobody asks for', TRUSTED, { password: TEST_PASSWORD, passwordMethod: 'stdin' }],
] as const

describe.each(WAYS)('sudo by %s', (_way, username, options) => {
  const target = (extra: { user?: string } = {}): ReturnType<typeof as> => as(server, username, { ...options, ...extra })

  it('as root by default, and as somebody else', async () => {
    expect(await pool.exec(target(), 'id -un')).toMatchObject({ stdout: 'root\n', stderr: '', exitCode: 0 })
    expect(await pool.exec(target({ user: 'xectest' }), 'id -un; echo $HOME')).toMatchObject({ stdout: 'xectest\n/home/xectest\n', stderr: '' })
  })

  it('env and cwd arrive as they are', async () => {
    const env = { QUOTES: `it's "quoted" $HOME \`id\` \\ !`, LINES: 'a\nb', EMPTY: '', LD_LIBRARY_PATH: '/x' }
    const result = await pool.exec(target(), 'printf "%s|" "$QUOTES" "$LINES" "$EMPTY" "$LD_LIBRARY_PATH"; pwd', { env, cwd: '/usr/lib' })
    expect(result).toMatchObject({ stdout: `${Object.values(env).join('|')}|/usr/lib\n`, stderr: '' })
    const missing = await pool.exec(target(), 'echo ran', { cwd: '/no/such' })
    expect(missing).toMatchObject({ stdout: '', exitCode: 1 })
  })

  it('stdin arrives byte for byte, whatever it looks like', async () => {
    for (const stdin of ['', 'one line', `${TEST_PASSWORD}\n`, '\n\nx', '\0\n\0']) {
      expect((await pool.exec(target(), 'cat', { stdin })).stdout).toBe(stdin)
    }
    const bytes = randomBytes(1024 * 1024)
    const { stdout } = await pool.exec(target(), 'cat', { stdin: bytes, encoding: 'buffer' })
    expect(stdout.equals(bytes)).toBe(true)
  })

  it('the status is the command\'s own', async () => {
    for (const code of [0, 1, 2, 127, 255]) {
      expect(await pool.exec(target(), `echo err >&2; exit ${code}`)).toMatchObject({ exitCode: code, stderr: 'err\n' })
    }
    expect(await pool.exec(target(), 'kill -9 $$')).toMatchObject({ exitCode: 137, ok: false })
  })

  it('a syntax error, a quote left open, `wait` and the umask are as in any shell', async () => {
    expect((await pool.exec(target(), `echo 'open`)).exitCode).toBeGreaterThan(0)
    expect((await pool.exec(target(), 'sleep 0.1 & wait; umask')).stdout).toBe('0022\n')
  })

  it('leaves no file behind', async () => {
    await pool.exec(target(), 'true')
    await until('its directory is gone', () => litter().length === 0)
  })

  it('an abort ends the command and its children', async () => {
    const controller = new AbortController()
    const running = failureOf(pool.exec(target(), `sleep ${nap} & sleep ${nap}`, { signal: controller.signal }))
    await until('it runs', () => mentions(`sleep\x00${nap}`).length > 0)
    controller.abort()
    expect(await running).toMatchObject({ code: 'ABORT_ERR', reached: true })
    await until('no process is left', () => mentions(nap).length === 0)
    await until('its directory is gone', () => litter().length === 0)
  })
})

describe('ending', () => {
  it('a timeout ends a command that ignores TERM', async () => {
    await pool.exec(asked(server), 'true')
    const error = await failureOf(pool.exec(asked(server), `trap '' TERM; sleep ${nap}; sleep ${nap}`, { timeout: 1_500 }))
    expect(error).toMatchObject({ code: 'ETIMEDOUT', phase: 'run', limit: 1_500 })
    await until('no process is left', () => mentions(nap).length === 0)
  })

  it.each([[ASKED, TEST_PASSWORD], [ODD, ODD_PASSWORD]])('as another user, too, for %s', async (username, password) => {
    await pool.exec(as(server, username, { password, user: 'xectest' }), 'true')
    const error = await failureOf(pool.exec(as(server, username, { password, user: 'xectest' }), `sleep ${nap} & sleep ${nap}`, { timeout: 1_500 }))
    expect(error).toMatchObject({ code: 'ETIMEDOUT', phase: 'run' })
    await until('no process is left', () => mentions(nap).length === 0)
  })

  it('while sudo is still thinking', async () => {
    await pool.exec(asked(server), 'true')
    for (const timeout of [40, 60, 80, 100, 130]) {
      expect(await failureOf(pool.exec(asked(server), `sleep ${nap}`, { timeout }))).toMatchObject({ code: 'ETIMEDOUT' })
    }
    await until('no process is left', () => mentions(nap).length === 0)
    await until('no directory is left', () => litter().length === 0)
  })

  it('what a command leaves running on purpose goes on', async () => {
    const { stdout } = await pool.exec(asked(server), `sleep ${nap} >/dev/null 2>&1 </dev/null & echo $!`)
    const pid = Number(stdout)
    await until('it runs', () => programOf(pid) === 'sleep' && isRunning(pid))
    process.kill(pid, 'SIGKILL')
  })
})

describe('refused', () => {
  it.each(METHODS)('a wrong password, by %s: one attempt', async (passwordMethod) => {
    const error = await failureOf(pool.exec(asked(server, { password: 'wrong-Password-1', passwordMethod }), 'echo ran', { stdin: 'guess two\nguess three\n' }))
    expect(error).toMatchObject({ code: 'ESUDO', kind: 'authentication', phase: 'run', reached: true, name: 'AuthenticationError' })
    expect(error.message).toMatch(/1 incorrect password attempt\)/)
    expect(error.message).toMatch(/check sudo\.password/)
    expect(visible(error)).not.toContain('wrong-Password-1')
    expect(error.stdout).toBe('')
  })

  it('no password where one is needed', async () => {
    const error = await failureOf(pool.exec(as(server, ASKED), 'echo ran'))
    expect(error).toMatchObject({ code: 'ESUDO', message: expect.stringMatching(/give sudo\.password/) as string })
  })

  it.each(METHODS)('an account that may not, by %s', async (passwordMethod) => {
    const error = await failureOf(pool.exec(as(server, OUTSIDER, { password: TEST_PASSWORD, passwordMethod }), 'echo ran'))
    expect(error).toMatchObject({ code: 'ESUDO', kind: 'authentication' })
  })

  it.each(['bash', 'zsh', 'ash', 'dash'])('an account that may not, whose login shell is %s', async (shell) => {
    const error = await failureOf(pool.exec(as(server, `xectest-${shell}`, { password: TEST_PASSWORD }), 'echo ran'))
    expect(error).toMatchObject({ code: 'ESUDO', message: expect.stringMatching(/may not run|not allowed|not in the sudoers/) as string })
  })

  it('an account to become that does not exist', async () => {
    const error = await failureOf(pool.exec(asked(server, { user: 'nobody-here' }), 'echo ran'))
    expect(error).toMatchObject({ code: 'ESUDO', message: expect.stringMatching(/nobody-here/) as string })
  })

  it('no sudo on the server', async () => {
    const bare = await OpenSSHServer.start({ config: ['SetEnv PATH=/nowhere'] })
    try {
      const error = await failureOf(pool.exec(asked(bare), 'echo ran'))
      expect(error).toMatchObject({ code: 'ESUDO', message: expect.stringMatching(/no sudo/) as string })
    } finally {
      await bare.stop()
    }
  })

  it.each([
    ['sudo.user', { user: 'root; id' }], ['sudo.user', { user: '-x' }], ['sudo.user', { user: 'Root' }],
    ['sudo.user', { user: 'a'.repeat(33) }], ['sudo.user', { user: '' }],
    ['sudo.password', { password: 'two\nlines' }], ['sudo.password', { password: 'x'.repeat(1025) }],
    ['sudo.passwordMethod', { passwordMethod: 'telepathy' }], ['sudo.pasword', { pasword: 'x' }],
  ])('%s: %j before anything is dialed', async (option, sudo) => {
    const error = await failureOf(pool.exec(asked(server, sudo as object), 'true'))
    expect(error).toMatchObject({ code: 'EINVAL_OPTION', option })
  })
})

describe('the password', () => {
  it.each(METHODS.flatMap((method) => [[method, ODD, ODD_PASSWORD], [method, TRUSTED, 'asked for by nobody']] as const))(
    'by %s for %s is in no process list, log, event, error or statistics', async (passwordMethod, username, password) => {
      const events: unknown[] = []
      for (const name of ['connection:created', 'connection:reused', 'connection:closed', 'connection:error'] as const) {
        pool.on(name, (...args: unknown[]) => { events.push(args) })
      }
      const target = as(server, username, { password, passwordMethod })
      const controller = new AbortController()
      const running = failureOf(pool.exec(target, `echo started; sleep ${nap}`, { signal: controller.signal }))
      // From before sudo is asked until the command runs.
      const seen = new Set<string>()
      await until('it runs', () => {
        for (const place of mentions(password)) seen.add(place)
        return mentions(`sleep\x00${nap}`).length > 0
      })
      for (const place of mentions(password)) seen.add(place)
      controller.abort()
      const error = await running
      await until('it is gone', () => mentions(nap).length === 0)
      expect([...seen]).toEqual([])
      expect(error.stdout).toBe('started\n')
      const told = [visible(error), server.log, JSON.stringify([events, pool.getStats(), pool.getMetrics(), pool.getConnections()])].join('\n')
      expect(told).not.toContain(password)
      // As JSON spells it.
      expect(told).not.toContain(JSON.stringify(password).slice(1, -1))
      expect(events.length).toBeGreaterThan(0)
    })

  it('would be found by that scan', () => {
    expect(mentions(process.execPath).length).toBeGreaterThan(0)
  })

  it.each(METHODS)('may hold anything but a line break, by %s', async (passwordMethod) => {
    const target = as(server, ODD, { password: ODD_PASSWORD, passwordMethod })
    expect(await pool.exec(target, 'id -un; cat', { stdin: 'in' })).toMatchObject({ stdout: 'root\nin', stderr: '' })
    const cut = as(server, ODD, { password: ODD_PASSWORD.trim(), passwordMethod })
    expect(await failureOf(pool.exec(cut, 'id -un'))).toMatchObject({ code: 'ESUDO' })
  })

  it('makes no other connection', async () => {
    await pool.exec(server.target({ username: ASKED }), 'true')
    await pool.exec(asked(server), 'true')
    await pool.exec(asked(server, { user: 'xectest' }), 'true')
    expect(pool.getConnections()).toHaveLength(1)
  })
})

describe('other ways to run', () => {
  it('spawn: input and output as they come', async () => {
    const process = pool.spawn(asked(server), 'id -un; exec cat', { encoding: 'utf8' })
    process.stdin.end('typed')
    let text = ''
    for await (const piece of process.stdout) text += String(piece)
    expect(text).toBe('root\ntyped')
    expect(await process.done).toMatchObject({ exitCode: 0 })
  })

  it('spawn: a signal ends it', async () => {
    const process = pool.spawn(asked(server), `echo up; sleep ${nap}`)
    await until('it runs', () => mentions(`sleep\x00${nap}`).length > 0)
    process.kill('SIGTERM')
    expect(await process.done).toMatchObject({ ok: false })
    await until('it is gone', () => mentions(nap).length === 0)
  })

  it('a warm shell is passed by', async () => {
    expect((await pool.exec(asked(server), 'id -un', { shell: 'persistent' })).stdout).toBe('root\n')
    expect((await pool.exec({ ...asked(server), sudo: { enabled: false } }, 'id -un', { shell: 'persistent' })).stdout).toBe(`${ASKED}\n`)
  })

  it('a borrowed connection', async () => {
    await using connection = await pool.getConnection(asked(server))
    expect((await connection.exec('id -un')).stdout).toBe('root\n')
  })

  it('fifty at once', async () => {
    const results = await Promise.all(Array.from({ length: 50 }, (_, index) =>
      pool.exec(asked(server), 'cat', { stdin: `input ${index}` })))
    expect(results.map(({ stdout }) => stdout)).toEqual(results.map((_, index) => `input ${index}`))
  })
})

describe('dropbear', () => {
  it.each(METHODS)('has the same commands and ends by %s', async (passwordMethod) => {
    const dropbear = await Dropbear.start('127.0.0.1')
    try {
      const target = dropbear.target({ username: ASKED, sudo: { enabled: true, password: TEST_PASSWORD, passwordMethod } })
      const stdin = randomBytes(100_000)
      const { stdout } = await pool.exec(target, 'cat', { stdin, encoding: 'buffer' })
      expect(stdout.equals(stdin)).toBe(true)
      expect(await failureOf(pool.exec(target, `sleep ${nap} & sleep ${nap}`, { timeout: 1_500 }))).toMatchObject({ code: 'ETIMEDOUT', phase: 'run' })
      await until('no process is left', () => mentions(nap).length === 0)
      expect(dropbear.log).not.toContain(TEST_PASSWORD)
    } finally {
      await dropbear.stop()
    }
  })
})

describe('SSHAdapter', () => {
  const execute = (adapter: SSHAdapter, sudo?: object): ReturnType<SSHAdapter['execute']> => adapter.execute({
    command: 'id', args: ['-un'], adapterOptions: { type: 'ssh', ...server.target({ username: ASKED }), ...sudo },
  })

  it('has sudo in its configuration, and the target wins', async () => {
    await using adapter = new SSHAdapter({
      sudo: { enabled: true, password: 'wrong', method: 'stdin', prompt: '[sudo] password', secureHandler: {} },
    })
    expect((await execute(adapter, { sudo: { enabled: true, password: TEST_PASSWORD, passwordMethod: 'askpass' } })).stdout).toBe('root\n')
    expect((await execute(adapter, { sudo: { enabled: false } })).stdout).toBe(`${ASKED}\n`)
    await expect(execute(adapter)).rejects.toMatchObject({ kind: 'authentication', message: expect.stringMatching(/sudo failed/) as string })
    adapter.updateConfig({ sudo: { password: TEST_PASSWORD } })
    expect((await execute(adapter)).stdout).toBe('root\n')
  })
})
