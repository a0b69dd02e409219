import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PrivateEngine } from '../support/dockerd'
import { until } from '../support/wait'
import { failureOf } from '../support/failure'
import { DockerConnectionPool } from '../support/native'
import { ENGINES, gone } from './engines'

describe.each(ENGINES)('shells that stay on %s', (_, start) => {
  let engine: PrivateEngine
  let pool: DockerConnectionPool
  let container: string

  beforeAll(async () => {
    engine = await start()
    container = await engine.container()
    pool = new DockerConnectionPool({ socketPath: engine.socketPath })
  })

  afterAll(async () => {
    await pool.dispose()
    await engine.stop()
  })

  it('a session keeps directory, variables and functions', async () => {
    await using session = await pool.session(container, { cwd: '/tmp', env: { GREETING: 'hello' }, user: 'tester' })
    expect((await session.execute('pwd; id -un; echo $GREETING')).stdout).toBe('/tmp\ntester\nhello\n')
    await session.execute('cd /bin; export X=1; f() { echo "f $1"; }')
    expect((await session.execute('pwd; echo $X; f 2; exit_code() { return 5; }; exit_code')).stdout).toBe('/bin\n1\nf 2\n')
    expect(await session.execute('echo oops >&2; (exit 7)')).toMatchObject({ exitCode: 7, stderr: 'oops\n' })
    expect(session.pid).toBeGreaterThan(0)
    expect(session.host).toBe(engine.socketPath)
  })

  it('a session is over when its shell is, or is closed, and leaves no process', async () => {
    const session = await pool.session(container)
    await session.execute('marker=8001; exec sh -s 8001')
    .catch(() => undefined)
    await session.close()
    expect(session.closed).toBe(true)
    await gone(engine, container, '8001')
    expect(await failureOf(session.execute('true'))).toMatchObject({ code: 'ESESSIONCLOSED', kind: 'invalid-usage' })
  })

  it('a session that cannot be had is refused with the reason', async () => {
    expect(await failureOf(pool.session(container, { cwd: '/not/there' }))).toMatchObject({ code: 'EINVAL_OPTION' })
    expect(await failureOf(pool.session('not-there'))).toMatchObject({ code: 'ENOCONTAINER' })
  })

  it('persistent: commands share a shell and nothing else', async () => {
    const run = (line: string, options = {}): Promise<{ stdout: string; stderr: string; exitCode: number }> =>
      pool.exec(container, line, { shell: 'persistent', ...options })
    expect((await run('echo one; echo two >&2; X=1; cd /bin; exit 3'))).toMatchObject({ stdout: 'one\n', stderr: 'two\n', exitCode: 3 })
    expect((await run('echo "$X"; pwd')).stdout).toBe('\n/\n')
    expect((await run('echo $A; pwd', { env: { A: 'a' }, cwd: '/tmp' })).stdout).toBe('a\n/tmp\n')
    const [first, second] = [await run('echo $PPID'), await run('echo $PPID')]
    expect(first.stdout).toBe(second.stdout)
  })

  it('persistent: each container and user has shells of its own', async () => {
    const other = await engine.container()
    await pool.exec(container, 'true', { shell: 'persistent' })
    await pool.exec(other, 'touch /tmp/in-other', { shell: 'persistent' })
    expect((await pool.exec(container, 'ls /tmp; id -un', { shell: 'persistent' })).stdout).not.toContain('in-other')
    expect((await pool.exec(other, 'ls /tmp', { shell: 'persistent' })).stdout).toBe('in-other\n')
    expect((await pool.exec(container, 'id -un', { shell: 'persistent', user: 'tester' })).stdout).toBe('tester\n')
    expect((await pool.exec(container, 'id -un', { shell: 'persistent' })).stdout).toBe('root\n')
  })

  it('persistent: what needs a channel of its own gets one', async () => {
    expect((await pool.exec(container, 'cat', { shell: 'persistent', stdin: 'input' })).stdout).toBe('input')
    expect((await pool.exec(container, ['echo', 'words'], { shell: 'persistent' })).stdout).toBe('words\n')
    const shell = new DockerConnectionPool({ socketPath: engine.socketPath, shell: 'persistent' })
    expect((await shell.exec(container, 'echo by the pool')).stdout).toBe('by the pool\n')
    await shell.dispose()
  })

  it('an exec session is started, written to and ended', async () => {
    const session = pool.createExecSession(container, {
      AttachStdin: true, AttachStdout: true, AttachStderr: true, Tty: true, Cmd: ['/bin/sh'], Env: ['A=b=c'], User: 'tester', WorkingDir: '/tmp',
    })
    await session.start()
    await session.start()
    let text = ''
    session.stdout.setEncoding('utf8').on('data', (piece: string) => { text += piece })
    expect(await session.write('cd /bin\n')).toBe(true)
    await session.write('pwd; echo "a is $A"; id -un; exit 4\n')
    expect(await session.end()).toMatchObject({ exitCode: 4 })
    await until('its last words are read', () => session.stdout.readableEnded)
    for (const expected of ['/bin\r\n', 'a is b=c\r\n', 'tester\r\n']) expect(text).toContain(expected)
    expect(await session.end()).toMatchObject({ exitCode: 4 })
  })

  it('an exec session without a terminal has both streams, and ends with its input', async () => {
    await using session = pool.createExecSession(container, { Cmd: ['sh', '-c', 'cat; echo done >&2; exit 2'] })
    await session.start()
    await session.write('through\n')
    const [out, err, result] = await Promise.all([session.stdout.toArray(), session.stderr.toArray(), session.end()])
    expect([Buffer.concat(out as Buffer[]).toString(), Buffer.concat(err as Buffer[]).toString()]).toEqual(['through\n', 'done\n'])
    expect(result).toMatchObject({ exitCode: 2 })
    expect(await session.write('late')).toBe(false)
  })

  it('an exec session that does not end is ended by force', async () => {
    const session = pool.createExecSession(container, { Cmd: ['sleep', '9001'] })
    await session.start()
    expect(await session.end()).toBeUndefined()
    await gone(engine, container, '9001')
  })

  it('an exec session can be resized and signalled', async () => {
    const session = pool.createExecSession(container, { Tty: true, Cmd: ['sh', '-c', 'trap "exit 3" INT; echo ready; while :; do sleep 0.05; done'] })
    await session.start()
    for await (const piece of session.stdout) if (String(piece).includes('ready')) break
    expect(session.resize(100, 40)).toBe(true)
    session.kill('SIGINT')
    expect((await session.done.catch(() => ({ exitCode: 3 }))).exitCode).toBe(3)
  })

  it('an exec session says why it cannot be started, and what was not started', async () => {
    expect(await failureOf(pool.createExecSession('not-there').start())).toMatchObject({ code: 'ENOCONTAINER' })
    const made = await engine.call('POST', '/containers/create', { Image: engine.image, Cmd: ['true'] })
    const { Id } = made.body as { Id: string }
    expect(await failureOf(pool.createExecSession(Id).start())).toMatchObject({ code: 'ENOTRUNNING' })
    const idle = pool.createExecSession(container)
    expect(() => idle.stdout).toThrow(expect.objectContaining({ code: 'ESESSIONCLOSED' }))
    expect(await idle.end()).toBeUndefined()
    expect(() => pool.createExecSession(container, { Cmd: [] })).toThrow(expect.objectContaining({ code: 'EINVAL_OPTION', option: 'Cmd' }))
  })
})
