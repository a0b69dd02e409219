import { PassThrough, Readable, Writable } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type AdapterCommand, AdapterError, CommandError, DockerAdapter, type DockerAdapterOptions, DockerError, InvalidOptionError, TimeoutError,
} from '../support/native'
import { Dockerd, type PrivateEngine } from '../support/dockerd'
import { causeOf, failureOf } from '../support/failure-of'
import { Podman } from '../support/podman'
import { gone, there } from '../docker/engines'

describe.each([{ Engine: Dockerd }, { Engine: Podman }])('$Engine.name', ({ Engine }) => {
  let engine: PrivateEngine
  let adapter: DockerAdapter

  beforeAll(async () => {
    engine = await Engine.start()
    await engine.container({ name: 'box', HostConfig: { Init: false }, Env: ['OWN=its own'] })
  })
  afterAll(async () => { await engine.stop() })
  beforeEach(() => { adapter = new DockerAdapter({ socketPath: engine.socketPath }) })
  afterEach(async () => { await adapter.dispose() })

  type Options = Partial<DockerAdapterOptions>

  const exec = (line: string, extra: Partial<AdapterCommand> = {}, options: Options = {}): ReturnType<DockerAdapter['execute']> =>
    adapter.execute({ command: line, adapterOptions: docker({ container: 'box', ...options }), ...extra })

  const run = (line: string, extra: Partial<AdapterCommand> = {}, options: Options = {}): ReturnType<DockerAdapter['execute']> =>
    adapter.execute({ command: line, adapterOptions: docker({ image: engine.image, network: 'none', ...options }), ...extra })

  const docker = (options: Options): { type: string } => ({ type: 'docker', ...options })

  const containers = (): Promise<string[]> => adapter.listContainers(true)

  describe('exec', () => {
    it('has every field of the contract', async () => {
      const result = await exec('echo out; echo err >&2')
      expect(result).toMatchObject({
        stdout: 'out\n', stderr: 'err\n', exitCode: 0, ok: true, command: 'echo out; echo err >&2', adapter: 'docker', container: 'box',
        startedAt: expect.any(Date) as Date, finishedAt: expect.any(Date) as Date,
      })
      expect(result.host).toBeUndefined()
      expect(result.stdall.split('\n').sort()).toEqual(['', 'err', 'out'])
      expect(result.toMetadata()).toMatchObject({ exitCode: 0, container: 'box' })
    })

    it('arguments are data, shell text is shell text, and without a shell nothing is', async () => {
      expect((await exec('echo', { args: ['a  b', '$HOME; id'] })).stdout).toBe('a  b $HOME; id\n')
      expect((await exec('echo', { args: ['a  b', '$HOME; id'], shell: false })).stdout).toBe('a  b $HOME; id\n')
      expect((await exec('echo $0; echo $OWN', { shell: '/bin/ash' })).stdout).toBe('/bin/ash\nits own\n')
    })

    it('user, directory and variables: the nearest wins', async () => {
      adapter.updateConfig({ defaultExecOptions: { User: 'tester', WorkingDir: '/etc', Env: ['A=default=x', 'B=default'] } })
      expect((await exec('id -un; pwd; echo $A,$B')).stdout).toBe('tester\n/etc\ndefault=x,default\n')
      const nearer = await exec('id -un; pwd; echo $A,$B,$C', { env: { C: 'command' } }, { user: 'root', workdir: '/tmp', env: { B: 'option', C: 'option' } })
      expect(nearer.stdout).toBe('root\n/tmp\ndefault=x,option,command\n')
      expect((await exec('pwd', { cwd: '/bin' }, { workdir: '/tmp' })).stdout).toBe('/bin\n')
    })

    it('bytes go in and come out as they are', async () => {
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
      expect((await exec('cat', { stdin: bytes })).buffer()).toEqual(bytes)
      expect((await exec('wc -c', { stdin: Readable.from([Buffer.alloc(100_000), Buffer.alloc(200_000)]) })).text()).toBe('300000')
      expect((await exec('cat')).stdout).toBe('')
    })

    it('output goes where it is wanted', async () => {
      const chunks: string[] = []
      const target = new Writable({ write(chunk: Buffer, _encoding, done) { chunks.push(chunk.toString()); done() } })
      expect((await exec('echo to a stream; echo err >&2', { stdout: target, stderr: (text) => { chunks.push(text) } })).stdout).toBe('')
      expect(chunks.sort()).toEqual(['err\n', 'to a stream\n'])
    })

    it('an exit code other than 0 is a CommandError, a result with nothrow, and a promise of core judges for itself', async () => {
      const error = await failureOf(CommandError, exec('echo half; exit 3'))
      expect(error).toMatchObject({ exitCode: 3, stdout: 'half\n', kind: 'command-failed', code: 'COMMAND_FAILED' })
      expect(await exec('exit 3', { nothrow: true })).toMatchObject({ exitCode: 3, ok: false })
      expect(await exec('exit 3', { __fromProcessPromise: true })).toMatchObject({ exitCode: 3 })
      expect(await exec('kill -9 $$', { nothrow: true })).toMatchObject({ exitCode: 137, signal: 'SIGKILL', ok: false })
      expect(await exec('no-such-program', { nothrow: true })).toMatchObject({ exitCode: 127 })
    })

    it('a timeout ends the process in the container', async () => {
      const error = await failureOf(TimeoutError, exec('echo begun; exec sleep 4321', { timeout: 1_000 }))
      expect(error).toMatchObject({ kind: 'timeout', timeout: 1_000 })
      await gone(engine, 'box', '4321')
      expect(await exec('echo begun; exec sleep 4321', { timeout: 2_500, nothrow: true })).toMatchObject({ exitCode: 124, signal: 'SIGTERM', stdout: 'begun\n' })
      await gone(engine, 'box', '4321')
    })

    it('an abort ends the process in the container', async () => {
      const abort = new AbortController()
      const running = exec('exec sleep 4322', { signal: abort.signal })
      await there(engine, 'box', '4322')
      abort.abort(new Error('enough'))
      const error = await failureOf(DockerError, running)
      expect(causeOf(error)).toBe('ABORT_ERR')
      await gone(engine, 'box', '4322')
    })

    it('more than maxBuffer is an error with what fitted', async () => {
      const error = await failureOf(DockerError, exec('yes', { maxBuffer: 1000 }))
      expect(causeOf(error)).toBe('EMAXBUFFER')
      await gone(engine, 'box', 'yes')
    })

    it('onSpawn gives live streams and kill', async () => {
      const lines: string[] = []
      // What a first try may have left is not this one's.
      const nap = `432${process.hrtime()[1] % 1_000_000}`
      const result = await exec(`echo ready; exec sleep ${nap}`, {
        nothrow: true,
        onSpawn: (handle) => {
          handle.stdout.setEncoding('utf8').on('data', (text: string) => {
            lines.push(text)
            handle.kill('SIGTERM')
          })
        },
      })
      expect(lines).toEqual(['ready\n'])
      expect(result).toMatchObject({ stdout: 'ready\n', exitCode: 143, signal: 'SIGTERM' })
      await gone(engine, 'box', nap)
    })

    it('a terminal when asked for', async () => {
      expect((await exec('tty', {}, { tty: true })).stdout).toMatch(/^\/dev\/pts\/\d+\r\n$/)
      expect((await exec('tty', { nothrow: true })).stdout).toContain('not a tty')
    })

    it('secrets are masked in results and errors', async () => {
      expect((await exec('echo password=hunter2')).stdout).not.toContain('hunter2')
      const error = await failureOf(CommandError, exec('echo token=abcdef123456; exit 1 # password=hunter2'))
      expect(JSON.stringify([error.message, error.stdout, error.command])).not.toMatch(/hunter2|abcdef123456/)
    })
  })

  describe('what cannot be run', () => {
    it('a container that is missing', async () => {
      const error = await failureOf(DockerError, exec('true', {}, { container: 'missing' }))
      expect(error).toMatchObject({ container: 'missing', operation: 'execute', kind: 'not-found', code: 'DOCKER_ERROR', reached: false })
      expect(error.originalError.message).toBe(`Container 'missing' not found`)
      expect(causeOf(error)).toBe('ENOCONTAINER')
      expect(await exec('true', { nothrow: true }, { container: 'missing' })).toMatchObject({ exitCode: 125, stderr: `Container 'missing' not found` })
    })

    it('a container that does not run', async () => {
      await engine.call('POST', '/containers/create?name=still', { Image: engine.image, Cmd: ['true'], HostConfig: { NetworkMode: 'none' } })
      expect(causeOf(await failureOf(DockerError, exec('true', {}, { container: 'still' })))).toBe('ENOTRUNNING')
      await adapter.removeContainer('still')
    })

    it('no options, wrong names, volumes for a container that runs', async () => {
      await expect(adapter.execute({ command: 'true' })).rejects.toBeInstanceOf(AdapterError)
      for (const container of ['', 'a b', '../x', '-rf', 'x;id']) {
        expect(causeOf(await failureOf(DockerError, exec('true', {}, { container })))).toBe('EINVAL_OPTION')
      }
      expect((await failureOf(DockerError, exec('true', {}, { volumes: ['/tmp:/x'] }))).message).toContain('run mode')
      expect((await failureOf(DockerError, exec('true', { env: { 'A B': 'x' } }))).message).toContain('env["A B"]')
    })

    it('a daemon that is not there', async () => {
      await using lost = new DockerAdapter({ socketPath: '/nowhere/docker.sock' })
      expect(await lost.isAvailable()).toBe(false)
      const error = await failureOf(DockerError, lost.execute({ command: 'true', adapterOptions: docker({ container: 'box' }) }))
      expect(error).toMatchObject({ kind: 'connection-refused', phase: 'dial', reached: false })
      await expect(lost.listContainers()).rejects.toMatchObject({ kind: 'connection-refused' })
      expect(await adapter.isAvailable()).toBe(true)
    })
  })

  describe('run', () => {
    it('a container for one command, gone with it', async () => {
      const before = await containers()
      const result = await run('echo out; echo err >&2; exit 4', { nothrow: true, env: { X: 'y' } })
      expect(result).toMatchObject({ stdout: 'out\n', stderr: 'err\n', exitCode: 4 })
      expect(result.container).toMatch(/^xec-busybox-\d+-[a-z0-9]+$/)
      expect(await containers()).toEqual(before)
    })

    it('stdin, user, directory, variables, volumes, argv', async () => {
      expect((await run('cat', { stdin: 'through' })).stdout).toBe('through')
      expect((await run('cat', { stdin: Readable.from(['a', 'b']) })).stdout).toBe('ab')
      expect((await run('id -un; pwd; echo $A', { env: { A: 'b c' } }, { user: 'tester', workdir: '/tmp' })).stdout).toBe('tester\n/tmp\nb c\n')
      expect((await run('cat /there/hostname', {}, { volumes: ['/etc:/there:ro'] })).exitCode).toBe(0)
      expect((await run('echo', { args: ['$HOME'], shell: false })).stdout).toBe('$HOME\n')
    })

    it('much output arrives whole', async () => {
      const { stdout } = await run('i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done')
      expect(stdout.split('\n').length).toBe(20_001)
      expect(stdout.endsWith('line 19999\n')).toBe(true)
    })

    it('a name of its own, and kept when it shall be', async () => {
      const result = await run('echo kept', {}, { container: 'kept', autoRemove: false })
      expect(result.container).toBe('kept')
      expect(await containers()).toContain('kept')
      expect(await adapter.getLogs('kept')).toBe('kept\n')
      await adapter.removeContainer('kept')
    })

    it('timeout and abort leave no container', async () => {
      const before = await containers()
      await expect(run('sleep 1000', { timeout: 1_500 })).rejects.toBeInstanceOf(TimeoutError)
      const abort = new AbortController()
      const running = run('echo up; sleep 1000', { signal: abort.signal, onSpawn: ({ stdout }) => { stdout.once('data', () => { abort.abort() }) } })
      expect(causeOf(await failureOf(DockerError, running))).toBe('ABORT_ERR')
      expect(await containers()).toEqual(before)
    })

    it('live streams, and a signal to the first process', async () => {
      const line = 'trap "echo bye; exit 5" USR1; echo ready; while true; do sleep 0.1; done'
      const result = await run(line, {
        nothrow: true, onSpawn: (handle) => { handle.stdout.once('data', () => { handle.kill('SIGUSR1') }) },
      })
      expect(result).toMatchObject({ exitCode: 5, stdout: 'ready\nbye\n' })
    })

    it('claims no signal that a program may have handled, unless it was sent from here', async () => {
      const quiet = await run('exit 143', { nothrow: true })
      expect([quiet.exitCode, quiet.signal]).toEqual([143, undefined])
      const line = 'trap "exit 143" TERM; echo ready; while true; do sleep 0.1; done'
      const sent = await run(line, { nothrow: true, onSpawn: (handle) => { handle.stdout.once('data', () => { handle.kill('SIGTERM') }) } })
      expect(sent).toMatchObject({ exitCode: 143, signal: 'SIGTERM' })
      const killed = await run('echo ready; exec sleep 1000', { nothrow: true, onSpawn: (handle) => { handle.stdout.once('data', () => { handle.kill('SIGKILL') }) } })
      expect(killed).toMatchObject({ exitCode: 137, signal: 'SIGKILL' })
    })

    it('a program that is missing is 127, as in a shell', async () => {
      const before = await containers()
      expect(await run('no-such-program', { shell: false, nothrow: true })).toMatchObject({ exitCode: 127, ok: false })
      expect((await failureOf(CommandError, run('no-such-program', { shell: false }))).exitCode).toBe(127)
      expect(await containers()).toEqual(before)
    })

    it('a stdin stream that breaks ends it', async () => {
      const broken = new PassThrough()
      const running = run('echo ready; cat', { stdin: broken, nothrow: true, onSpawn: ({ stdout }) => { stdout.once('data', () => { broken.destroy(new Error('broken')) }) } })
      expect((await running).ok).toBe(false)
    })

    it('an image that cannot be had', async () => {
      const error = await failureOf(DockerError, run('true', {}, { image: '127.0.0.1:1/none:1' }))
      expect(error.originalError.message).toMatch(/127\.0\.0\.1:1/)
      expect((await failureOf(DockerError, run('true', {}, { image: 'a b' }))).message).toContain('image')
      expect((await failureOf(DockerError, adapter.execute({ command: 'true', adapterOptions: docker({ runMode: 'run' }) }))).message).toContain('image')
    })
  })

  describe('autoCreate', () => {
    it('a temporary container for one that is missing, the same for all commands, removed by dispose', async () => {
      await using creating = new DockerAdapter({ socketPath: engine.socketPath, autoCreate: { enabled: true, image: engine.image } })
      const events: unknown[] = []
      creating.on('temp:cleanup', ({ container, success }) => { events.push([container, success]) })
      const command = (line: string): AdapterCommand => ({ command: line, adapterOptions: docker({ container: 'wished' }) })
      const [one, two] = await Promise.all([creating.execute(command('echo 1 > /tmp/x')), creating.execute(command('echo 2'))])
      expect(two.container).toBe(one.container)
      expect((await creating.execute(command('cat /tmp/x'))).stdout).toBe('1\n')
      await creating.dispose()
      expect(events).toEqual([[one.container, true]])
      expect(await containers()).not.toContain(one.container)
    })
  })

  it('events with masked commands', async () => {
    const events: unknown[] = []
    adapter.on('docker:exec', ({ container, command, adapter: name }) => { events.push([name, container, command]) })
    adapter.on('docker:run', ({ image, command }) => { events.push([image, command]) })
    await exec('true # password=hunter2')
    await run('true')
    expect(events).toEqual([['docker', 'box', expect.not.stringContaining('hunter2') as string], [engine.image, 'true']])
  })

  it('execJson', async () => {
    expect(await adapter.execJson('box', ['echo', '{"a":[1]}'])).toEqual({ a: [1] })
    expect(causeOf(await failureOf(DockerError, adapter.execJson('box', ['echo', 'no'])))).toBe('EJSON')
    expect(causeOf(await failureOf(DockerError, adapter.execJson('box', [])))).toBe('EINVAL_OPTION')
    await expect(adapter.execJson('box', ['false'])).rejects.toBeInstanceOf(CommandError)
  })

  it('disposed, it can be used again', async () => {
    await exec('true')
    await adapter.dispose()
    await adapter.dispose()
    expect((await exec('echo again')).stdout).toBe('again\n')
  })
})

describe('configuration', () => {
  it.each([
    [{ socketPath: '/a', host: 'b' }, 'socketPath'], [{ defaultTimout: 1 }, `did you mean 'defaultTimeout'`], [{ port: 0 }, 'port'],
    [{ autoCreate: { volumes: ['x'] } }, 'autoCreate.volumes[0]'], [{ defaultExecOptions: { Env: ['no'] } }, 'defaultExecOptions.Env[0]'],
  ])('%j is refused', (config, text) => {
    expect(() => new DockerAdapter(config as object)).toThrow(InvalidOptionError)
    expect(() => new DockerAdapter(config as object)).toThrow(text)
  })
})
