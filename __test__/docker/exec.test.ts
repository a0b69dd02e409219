import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PrivateEngine } from '../support/dockerd'
import { failureOf } from '../support/failure'
import { CommandFailedError, DockerConnectionPool, MaxBufferError } from '../support/native'
import { until } from '../support/wait'
import { ENGINES } from './engines'

describe.each(ENGINES)('exec on %s', (name, start) => {
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

  it('gives both streams apart, the exit code, and where it ran', async () => {
    const result = await pool.exec(container, 'echo out; echo err >&2; exit 3')
    expect(result).toMatchObject({ stdout: 'out\n', stderr: 'err\n', exitCode: 3, ok: false, container, host: engine.socketPath })
    expect(result).not.toHaveProperty('signal')
    expect(result.timings.run).toBeGreaterThan(0)
    expect(await pool.execute(container, 'true')).toMatchObject({ exitCode: 0, ok: true, stdout: '', stderr: '' })
  })

  it('keeps quotes, newlines and what looks like a process id in the output', async () => {
    const { stdout, stderr } = await pool.exec(container, `printf '\\001%s %s p\\n' 0123456789abcdef0123456789abcdef 7 >&2\necho "it's"`)
    expect(stdout).toBe('it\'s\n')
    expect(stderr).toBe('\u0001' + '0123456789abcdef0123456789abcdef 7 p\n')
  })

  it('tells a process that a signal ended', async () => {
    expect(await pool.exec(container, 'kill -9 $$')).toMatchObject({ exitCode: 137, signal: 'SIGKILL', ok: false })
    expect(await pool.exec(container, 'kill -SEGV $$')).toMatchObject({ exitCode: 139, signal: 'SIGSEGV' })
  })

  it('claims no signal that a program may have handled, unless it was sent from here', async () => {
    for (const line of ['exit 143', 'trap "exit 130" INT; kill -INT $$', 'kill -TERM $$']) {
      const result = await pool.exec(container, line)
      expect([line, result.exitCode, result.signal, result.ok]).toEqual([line, line.includes('130') ? 130 : 143, undefined, false])
    }
    const sent = pool.spawn(container, 'echo up; exec sleep 1000')
    sent.stdout.once('data', () => { sent.kill('SIGTERM') })
    sent.stderr.resume()
    expect(await sent.done).toMatchObject({ exitCode: 143, signal: 'SIGTERM' })
    const other = pool.spawn(container, 'trap "exit 143" USR1; echo up; while :; do sleep 0.05; done')
    other.stdout.once('data', () => { other.kill('SIGUSR1') })
    other.stderr.resume()
    const { exitCode, signal } = await other.done
    expect([exitCode, signal]).toEqual([143, undefined])
  })

  it.each([
    ['text', () => 'one\ntwo'],
    ['bytes', () => Buffer.from([0, 255, 10, 1])],
    ['a stream', () => Readable.from(['one\n', 'two'])],
  ])('sends %s to stdin and then its end', async (_, input) => {
    const sent = input()
    const expected = typeof sent === 'string' || Buffer.isBuffer(sent) ? Buffer.from(sent) : Buffer.from('one\ntwo')
    const { stdout } = await pool.exec(container, 'cat', { stdin: sent, encoding: 'buffer' })
    expect(stdout).toEqual(expected)
  })

  it('has an empty stdin otherwise', async () => {
    expect((await pool.exec(container, 'cat; echo end')).stdout).toBe('end\n')
  })

  it('carries 20 MiB both ways, byte by byte', async () => {
    const bytes = Buffer.alloc(20 * 1024 * 1024, 'binary\0\u00ff\n')
    const { stdout } = await pool.exec(container, 'cat', { stdin: bytes, encoding: 'buffer', maxBuffer: 64 * 1024 * 1024 })
    expect(stdout.equals(bytes)).toBe(true)
  })

  it('runs as another user, in a directory, with variables that no process list shows', async () => {
    const { stdout } = await pool.exec(container, 'id -un; pwd; echo "$SECRET"; tr "\\0" " " </proc/$$/cmdline', {
      user: 'tester', cwd: '/tmp', env: { SECRET: 'it is "quoted" $HOME' },
    })
    const [user, directory, secret, line] = stdout.split('\n')
    expect([user, directory, secret]).toEqual(['tester', '/tmp', 'it is "quoted" $HOME'])
    expect(line).not.toContain('quoted')
  })

  it('fails in a directory that is not there, and runs nothing', async () => {
    expect(await pool.exec(container, 'echo no', { cwd: '/not/there' })).toMatchObject({ exitCode: 1, stdout: '' })
    const refused = await pool.exec(container, 'echo no', { workdir: '/not/there' }).then(({ exitCode, stdout }) => exitCode !== 0 && !stdout.startsWith('no'), () => true)
    expect(refused).toBe(true)
    expect((await pool.exec(container, 'pwd', { workdir: '/bin' })).stdout).toBe('/bin\n')
  })

  it('runs a program and its arguments without a shell', async () => {
    expect((await pool.exec(container, ['echo', 'a  b', '$HOME', '; id'])).stdout).toBe('a  b $HOME ; id\n')
    expect((await pool.exec(container, ['pwd'], { cwd: '/tmp' })).stdout).toBe('/tmp\n')
  })

  it('says that a program is not there', async () => {
    const outcome = await pool.exec(container, ['no-such-program']).then(({ exitCode }) => exitCode, (error: unknown) => (error as { code: string }).code)
    expect([126, 127, 'EDOCKER', 'EINVAL', 'ENOENT']).toContain(outcome)
    expect((await pool.exec(container, 'no-such-program')).exitCode).toBe(127)
  })

  it('gives a terminal of the size that was asked for, and takes input from it', async () => {
    const { stdout, exitCode } = await pool.exec(container, 'read line; echo "got $line"; test -t 1 && echo terminal; sleep 0.3; stty size', {
      pty: { columns: 123, rows: 45 }, stdin: 'typed\n',
    })
    expect(exitCode).toBe(0)
    expect(stdout).toContain('got typed\r\n')
    expect(stdout).toContain('terminal\r\n')
    expect(stdout).toContain('45 123\r\n')
    expect((await pool.exec(container, ['cat'], { pty: true })).exitCode).toBe(0)
  })

  it('gives the privileges that were asked for', async () => {
    const capabilities = async (privileged: boolean): Promise<string> =>
      (await pool.exec(container, 'grep CapEff /proc/self/status', { privileged })).stdout
    expect(await capabilities(true)).not.toBe(await capabilities(false))
  })

  it('collects both streams in their order', async () => {
    const { stdall } = await pool.exec(container, 'echo a; sleep 0.2; echo b >&2; sleep 0.2; echo c', { collectAll: true })
    expect(stdall).toBe('a\nb\nc\n')
  })

  it('stops at maxBuffer, and keeps what fits', async () => {
    const error = await failureOf(pool.exec(container, 'yes', { maxBuffer: 1000 }))
    expect(error).toBeInstanceOf(MaxBufferError)
    expect(error).toMatchObject({ code: 'EMAXBUFFER', limit: 1000, stream: 'stdout' })
    expect(String(error.stdout)).toBe('y\n'.repeat(500))
  })

  it('rejects for a status other than 0 where that is asked for', async () => {
    const error = await failureOf(pool.exec(container, 'echo why >&2; exit 4', { throwOnNonZeroExit: true }))
    expect(error).toBeInstanceOf(CommandFailedError)
    expect(error).toMatchObject({ code: 'ECOMMAND', exitCode: 4, stderr: 'why\n' })
  })

  it('waits for a process that closes its streams before it ends', async () => {
    expect((await pool.exec(container, 'exec >&- 2>&-; sleep 0.5; exit 9')).exitCode).toBe(9)
  })

  it('runs 64 at once, each with its own output', async () => {
    const results = await Promise.all(Array.from({ length: 64 }, (_, i) => pool.exec(container, `echo ${i}; exit ${i}`)))
    expect(results.map(({ stdout, exitCode }) => [stdout, exitCode])).toEqual(results.map((_, i) => [`${i}\n`, i]))
    expect(pool.getStats().connectionsCreated).toBe(1)
  })

  it('has live streams, lines, and an input that stays open', async () => {
    const process = pool.spawn(container, 'while read line; do echo "<$line>"; done; echo over >&2; exit 6')
    let errors = ''
    process.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
    const lines = process[Symbol.asyncIterator]()
    for (const word of ['one', 'two']) {
      process.stdin.write(`${word}\n`)
      expect((await lines.next()).value).toBe(`<${word}>`)
    }
    process.stdin.end()
    expect((await lines.next()).done).toBe(true)
    expect(await process.done).toMatchObject({ exitCode: 6, ok: false })
    await until('stderr is read to its end', () => process.stderr.readableEnded)
    expect(errors).toBe('over\n')
  })

  it('sends signals and new sizes to what runs', async () => {
    const trapping = pool.spawn(container, 'trap "echo usr1" USR1; trap "exit 8" TERM; echo ready; while :; do sleep 0.05; done')
    const lines = trapping[Symbol.asyncIterator]()
    expect((await lines.next()).value).toBe('ready')
    trapping.kill('SIGUSR1')
    expect((await lines.next()).value).toBe('usr1')
    trapping.kill()
    expect((await trapping.done).exitCode).toBe(8)

    const terminal = pool.spawn(container, 'trap "stty size" WINCH; echo ready; while :; do sleep 0.05; done', { pty: true })
    const sizes = terminal[Symbol.asyncIterator]()
    expect((await sizes.next()).value).toBe('ready')
    terminal.resize(77, 33)
    let line = (await sizes.next()).value
    // The first size may arrive after the trap was set.
    if (line === '24 80') line = (await sizes.next()).value
    expect(line).toBe('33 77')
    for (const columns of [50, 60, 70]) terminal.resize(columns, 20)
    do line = (await sizes.next()).value
    while (line !== '20 70')
    await terminal[Symbol.asyncDispose]()
  })

  it.each([
    ['a container that is not there', 'not-there', 'ENOCONTAINER', 'not-found'],
    ['one that is not running', 'stopped', 'ENOTRUNNING', 'invalid-usage'],
  ])('says so of %s, and that nothing ran', async (_, id, code, kind) => {
    if (id === 'stopped') await engine.container({ name: 'stopped', cmd: ['true'] }).then((made) => engine.call('POST', `/containers/${made}/wait`))
    for (const failing of [
      () => pool.exec(id, 'true'), () => pool.spawn(id, 'true').done, () => pool.session(id), () => pool.exec(id, 'true', { shell: 'persistent' }),
    ]) {
      expect(await failureOf(failing())).toMatchObject({ code, kind, reached: false })
    }
  })

  it.each([
    [['../x', 'true'], 'container'], [['x', ''], 'command'], [['x', []], 'command[0]'], [['x', ['a', 1]], 'command[1]'],
    [['x', 'true', { workdir: 'relative' }], 'workdir'], [['x', 'true', { usr: 'me' }], 'usr'], [['x', 'true', { privileged: 1 }], 'privileged'],
  ])('refuses %j', async (args, option) => {
    const error = await failureOf(pool.exec(...args as [string, string]))
    expect(error).toMatchObject({ code: 'EINVAL_OPTION', option })
  })

  it('is the engine it says it is', () => {
    expect(engine.kind === 'podman').toBe(name === 'podman')
  })
})
