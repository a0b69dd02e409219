import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SSHConnectionPool, type SSHTarget, ShellSession } from '../../index.mjs'
import { failureOf } from '../support/failure'
import { OpenSSHServer } from '../support/openssh'
import { SUITED, UNSUITED, account } from './accounts'

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

const at = (shell: string): SSHTarget => server.target({ username: account(shell) })

describe.each(SUITED)('login shell %s', (shell) => {
  test('directory, variables, functions and options last', async () => {
    await using session = await pool.session(at(shell))
    await session.execute('cd /tmp; export WORD=kept; local_word=too; greet() { echo "hello $1"; }; set -u')
    expect((await session.execute('pwd; echo $WORD $local_word; greet you; case $- in *u*) echo strict; esac')).stdout).toBe('/tmp\nkept too\nhello you\nstrict\n')
  })

  test('streams and exit codes are each command\'s own', async () => {
    await using session = await pool.session(at(shell))
    expect(await session.execute('echo out; echo err >&2; (exit 5)')).toMatchObject({ stdout: 'out\n', stderr: 'err\n', exitCode: 5, ok: false })
    expect(await session.execute('printf "a\\000b"', { encoding: 'buffer' })).toMatchObject({ stdout: Buffer.from('a\0b'), exitCode: 0 })
    expect(await session.execute('cat')).toMatchObject({ stdout: '', exitCode: 0 })
    expect(await session.execute('cat <<END\nfed\nEND')).toMatchObject({ stdout: 'fed\n' })
  })

  test('traces, redirections and hostile output break nothing', async () => {
    await using session = await pool.session(at(shell))
    await session.execute('set -x; exec 3>&1; trap "" TERM')
    expect((await session.execute('echo traced')).stdout).toBe('traced\n')
    await session.execute('set +x; exec >/dev/null 2>&1')
    expect(await session.execute('echo back; echo err >&2')).toMatchObject({ stdout: 'back\n', stderr: 'err\n' })
    await session.execute('printf "\\001%s" unended')
    expect((await session.execute('echo next')).stdout).toBe('next\n')
  })

  test('a syntax error is that command\'s own, or the shell\'s honest end', async () => {
    await using session = await pool.session(at(shell))
    const broken = await session.execute('echo "unbalanced')
    expect(broken.exitCode).not.toBe(0)
    if (!session.closed) expect((await session.execute('echo next')).stdout).toBe('next\n')
  })

  test('exit ends the session, and its status is known', async () => {
    const session = await pool.session(at(shell))
    expect(await session.execute('echo last; exit 3')).toMatchObject({ stdout: 'last\n', exitCode: 3 })
    const refused = await failureOf(session.execute('echo never'))
    expect(refused).toMatchObject({ code: 'ESESSIONCLOSED', kind: 'invalid-usage', reached: false })
    expect(refused.message).toMatch(/exit/)
    expect(session.closed).toBe(true)
  })

  test('a timeout ends the command, and the session says that it went with it', async () => {
    const session = await pool.session(at(shell))
    const [timedOut, waiting] = await Promise.all([
      failureOf(session.execute('echo begun; sleep 79', { timeout: 500 })), failureOf(session.execute('echo never')),
    ])
    expect(timedOut).toMatchObject({ code: 'ETIMEDOUT', reached: true, stdout: 'begun\n' })
    expect(waiting).toMatchObject({ code: 'ESESSIONCLOSED', reached: false })
    expect(waiting.message).toMatch(/timed out/)
    await server.runs('sleep', 0)
  })
})

test.each(UNSUITED)('%s can carry no session', async (shell) => {
  expect(await failureOf(pool.session(at(shell)))).toMatchObject({ code: 'ESHELL', kind: 'invalid-usage', reached: false })
})

test('it begins where it is told to, with what it is given', async () => {
  await using session = await pool.session(server.target(), { cwd: '/usr', env: { WORD: 'it\'s' } })
  expect((await session.execute('pwd; sh -c "echo \\$WORD"')).stdout).toBe('/usr\nit\'s\n')
  expect(await failureOf(pool.session(server.target(), { cwd: '/no/such' }))).toMatchObject({ code: 'EINVAL_OPTION' })
})

test('commands run one after the other, in the order of the calls', async () => {
  await using session = await pool.session(server.target())
  await session.execute('n=0')
  const results = await Promise.all(Array.from({ length: 50 }, () => session.execute('n=$((n+1)); echo $n')))
  expect(results.map((result) => Number(result.stdout))).toEqual(results.map((_, index) => index + 1))
})

test('an abort while it waits costs nothing, and while it runs the session', async () => {
  const session = await pool.session(server.target())
  const [early, late] = [new AbortController(), new AbortController()]
  const running = failureOf(session.execute('sleep 80', { signal: late.signal }))
  const waiting = failureOf(session.execute('echo never', { signal: early.signal }))
  early.abort()
  expect(await waiting).toMatchObject({ code: 'ABORT_ERR', phase: 'queue', reached: false })
  expect(session.closed).toBe(false)
  await server.runs('sleep')
  late.abort()
  expect(await running).toMatchObject({ code: 'ABORT_ERR', phase: 'run' })
  expect(await failureOf(session.execute('echo never'))).toMatchObject({ code: 'ESESSIONCLOSED' })
  await server.runs('sleep', 0)
})

test('exec replaces the shell, and its program\'s status is the command\'s', async () => {
  const session = await pool.session(server.target())
  expect(await session.execute('exec sh -c "echo replaced; exit 4"')).toMatchObject({ stdout: 'replaced\n', exitCode: 4 })
  expect(await failureOf(session.execute('echo never'))).toMatchObject({ code: 'ESESSIONCLOSED' })
})

test('a lost connection is lost, with and without a command', async () => {
  await using own = new SSHConnectionPool()
  const [busy, idle] = [await own.session(server.target()), await own.session(server.target())]
  const running = failureOf(busy.execute('sleep 81'))
  await server.runs('sleep')
  server.killConnections()
  expect(await running).toMatchObject({ code: 'ECONNLOST', kind: 'connection-lost' })
  const refused = await failureOf(idle.execute('true'))
  expect(['ECONNLOST', 'ESESSIONCLOSED']).toContain(refused.code)
})

test('closing is once, frees the channel, and lets what was asked end first', async () => {
  await using own = new SSHConnectionPool()
  const session = await own.session(server.target())
  expect(session).toBeInstanceOf(ShellSession)
  expect(session.pid).toBeGreaterThan(0)
  expect(own.getStats().activeChannels).toBe(1)
  const last = session.execute('sleep 0.1; echo done')
  await Promise.all([session.close(), session.close()])
  expect((await last).stdout).toBe('done\n')
  expect(session.closed).toBe(true)
  expect(await failureOf(session.execute('echo never'))).toMatchObject({ code: 'ESESSIONCLOSED', reached: false })
  expect(await own.drain({ timeout: 10_000 })).toBe(true)
})

test('cwd and env are refused with what to do instead', async () => {
  await using session = await pool.session(server.target())
  for (const [option, value] of [['cwd', '/'], ['env', {}]] as const) {
    expect(await failureOf(session.execute('true', { [option]: value }))).toMatchObject({ code: 'ENOTSUP', option })
  }
  expect(session.closed).toBe(false)
})
