import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { CommandFailedError, SSHConnectionPool } from '../support/native'
import { OpenSSHServer, TEST_PASSWORD, TEST_USER } from '../support/openssh'

let server: OpenSSHServer
let pool: SSHConnectionPool

beforeAll(async () => {
  server = await OpenSSHServer.start()
  pool = new SSHConnectionPool()
})

afterAll(async () => {
  await pool.dispose()
  await server.stop()
})

describe('exec', () => {
  it('resolves with both streams, the exit code and where the time went', async () => {
    const result = await pool.exec(server.target(), 'echo out; echo err >&2; exit 3')
    expect(result).toMatchObject({
      command: 'echo out; echo err >&2; exit 3', host: '127.0.0.1', stdout: 'out\n', stderr: 'err\n', exitCode: 3, ok: false,
    })
    expect(result).not.toHaveProperty('signal')
    expect(result.timings.connect).toBeGreaterThan(0)
    expect(result.timings.run).toBeGreaterThan(0)
    expect(result.duration).toBeGreaterThanOrEqual(result.timings.run)
  })

  it('runs as the user the target names, over a connection that is then reused', async () => {
    const first = await pool.exec(server.target(), 'id -un; echo $SSH_CONNECTION')
    const second = await pool.exec(server.target(), 'id -un; echo $SSH_CONNECTION')
    expect(first.stdout).toMatch(new RegExp(`^${TEST_USER}\n127\\.0\\.0\\.1 `))
    expect(second.stdout).toBe(first.stdout)
    expect(second.timings.connect).toBe(0)
  })

  it('logs in with a password, and never over a connection with other credentials', async () => {
    const byPassword = server.target({ privateKey: undefined, password: TEST_PASSWORD })
    const where = 'echo $SSH_CONNECTION'
    const [withKey, withPassword] = [await pool.exec(server.target(), where), await pool.exec(byPassword, where)]
    expect(withPassword.exitCode).toBe(0)
    expect(withPassword.stdout).not.toBe(withKey.stdout)
    const wrong = server.target({ privateKey: undefined, password: 'not the password' })
    expect(await failureOf(pool.exec(wrong, where))).toMatchObject({ code: 'EAUTH' })
  })

  it('passes environment values literally', async () => {
    const env = { PLAIN: 'x', QUOTES: `it's "here" $HOME \`id\`; exit 1`, LINES: 'a\nb', EMPTY: '', UNICODE: 'grüße 😀' }
    const { stdout } = await pool.exec(server.target(), 'printf "%s|" "$PLAIN" "$QUOTES" "$LINES" "$EMPTY" "$UNICODE"', { env })
    expect(stdout).toBe(`${Object.values(env).join('|')}|`)
  })

  it('runs in cwd, whatever characters it has', async () => {
    const directory = `/tmp/xec cwd ' " $ ${process.pid}`
    await pool.exec(server.target(), 'mkdir -p "$D"', { env: { D: directory } })
    const { stdout } = await pool.exec(server.target(), 'pwd', { cwd: directory })
    await pool.exec(server.target(), 'rmdir "$D"', { env: { D: directory } })
    expect(stdout).toBe(`${directory}\n`)
  })

  it('does not run a command whose cwd is missing', async () => {
    const result = await pool.exec(server.target(), 'echo ran', { cwd: '/no/such/directory' })
    expect(result.ok).toBe(false)
    expect(result.stdout).toBe('')
    expect(result.stderr).toContain('/no/such/directory')
  })

  it('takes ~ in cwd for the remote home', async () => {
    const { stdout } = await pool.exec(server.target(), 'pwd', { cwd: '~' })
    expect(stdout).toBe(`/home/${TEST_USER}\n`)
  })

  it.each([
    ['a string', () => 'grüße'],
    ['a Buffer', () => Buffer.from('grüße')],
    ['a stream', () => Readable.from(['grü', Buffer.from('ße')])],
  ])('feeds %s to stdin', async (_kind, stdin) => {
    const { stdout } = await pool.exec(server.target(), 'cat', { stdin: stdin() })
    expect(stdout).toBe('grüße')
  })

  it('gives end of input at once when there is no stdin', async () => {
    const { stdout, exitCode } = await pool.exec(server.target(), 'cat; echo done')
    expect([stdout, exitCode]).toEqual(['done\n', 0])
  })

  it('decodes as asked', async () => {
    const latin1 = await pool.exec(server.target(), String.raw`printf '\344'`, { encoding: 'latin1' })
    const hex = await pool.exec(server.target(), 'printf az', { encoding: 'hex' })
    const raw = await pool.exec(server.target(), String.raw`printf '\377\000'`, { encoding: 'buffer' })
    expect(latin1.stdout).toBe('ä')
    expect(hex.stdout).toBe('617a')
    expect(raw.stdout).toEqual(Buffer.from([0xff, 0]))
  })

  it('keeps the order of stdout and stderr with collectAll', async () => {
    const line = 'for i in 1 2 3; do echo out$i; sleep 0.05; echo err$i >&2; sleep 0.05; done'
    const { stdall } = await pool.exec(server.target(), line, { collectAll: true })
    expect(stdall).toBe('out1\nerr1\nout2\nerr2\nout3\nerr3\n')
  })

  it.each([
    [0, undefined, 'exit 0'],
    [1, undefined, 'false'],
    [255, undefined, 'exit 255'],
    [127, undefined, 'no-such-command-here'],
    [137, 'SIGKILL', 'kill -9 $$'],
    [143, 'SIGTERM', 'kill -TERM $$'],
    [130, 'SIGINT', 'kill -INT $$'],
    [134, 'SIGABRT', 'kill -ABRT $$'],
  ])('reports exit code %i and signal %s', async (exitCode, signal, command) => {
    const result = await pool.exec(server.target(), command)
    expect(result.exitCode).toBe(exitCode)
    expect(result.signal).toBe(signal)
    expect(result.ok).toBe(exitCode === 0)
  })

  it('rejects on a bad exit code only when asked to', async () => {
    const error = await failureOf(pool.exec(server.target(), 'echo half; exit 9', { throwOnNonZeroExit: true }))
    expect(error).toBeInstanceOf(CommandFailedError)
    expect(error).toMatchObject({ code: 'ECOMMAND', kind: 'command-failed', phase: 'run', exitCode: 9, reached: true })
    expect(error).toMatchObject({ result: { stdout: 'half\n', exitCode: 9 } })
    await expect(pool.exec(server.target(), 'exit 9')).resolves.toMatchObject({ exitCode: 9 })
  })
})
