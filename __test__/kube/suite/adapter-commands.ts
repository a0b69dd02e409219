import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import {
  type AdapterCommand, CommandError, InvalidOptionError, KubernetesAdapter, type KubernetesAdapterOptions, KubernetesError, TimeoutError,
} from '../../support/native'
import { failureOf } from '../../support/failure-of'
import type { Bed, StartBed } from '../../support/bed'
import { eventually } from './eventually'

/** KubernetesAdapter.execute, on any cluster. */
export function adapterCommands(start: StartBed): void {
  let bed: Bed
  let adapter: KubernetesAdapter
  let kubeconfig: string

  beforeAll(async () => {
    bed = await start()
    await bed.pod({ name: 'web', labels: { app: 'web' }, env: [{ name: 'OWN', value: 'its own' }] })
    await bed.pod({
      name: 'pair', labels: { app: 'pair' }, annotations: { 'kubectl.kubernetes.io/default-container': 'side' },
      containers: [{ name: 'main', env: [{ name: 'ME', value: 'main' }] }, { name: 'side', env: [{ name: 'ME', value: 'side' }] }],
    })
    await bed.deployment({ name: 'web', labels: { app: 'web' } })
    await bed.service({ name: 'web', selector: { app: 'web' }, ports: [{ port: 80, targetPort: 80 }] })
    kubeconfig = await bed.kubeconfig()
  }, 180_000)
  afterAll(async () => { await bed.stop() })
  beforeEach(() => { adapter = new KubernetesAdapter({ kubeconfig }) })
  afterEach(async () => { await adapter.dispose() })

  const exec = (line: string, extra: Partial<AdapterCommand> = {}, options: Partial<KubernetesAdapterOptions> = {}): ReturnType<KubernetesAdapter['execute']> =>
    adapter.execute({ command: line, adapterOptions: inPod({ pod: 'web', ...options }), ...extra })

  const inPod = (options: Partial<KubernetesAdapterOptions>): { type: string } => ({ type: 'kubernetes', ...options })

  const programs = async (): Promise<string[]> => (await bed.processes('web')).map((words) => words.join(' '))

  /** No process of a command is left, as somebody else than the adapter tells it. */
  const gone = (command: string): Promise<void> =>
    eventually(`${command} is gone`, async () => !(await programs()).some((program) => program.includes(command)))

  it('have every field of the contract', async () => {
    const events: unknown[] = []
    adapter.on('k8s:exec', (event) => { events.push(event) })
    const result = await exec('echo out; echo err >&2', {}, { container: 'main' })
    expect(result).toMatchObject({
      stdout: 'out\n', stderr: 'err\n', exitCode: 0, ok: true, command: 'echo out; echo err >&2', adapter: 'kubernetes', container: 'main',
      startedAt: expect.any(Date) as Date, finishedAt: expect.any(Date) as Date,
    })
    expect(result.stdall.split('\n').sort()).toEqual(['', 'err', 'out'])
    expect(events).toEqual([expect.objectContaining({
      adapter: 'kubernetes', pod: 'web', namespace: bed.home, container: 'main', command: 'echo out; echo err >&2', timestamp: expect.any(Date) as Date,
    })])
  })

  it('arguments are data, shell text is shell text, and without a shell nothing is', async () => {
    expect((await exec('echo', { args: ['a  b', '$HOME; id'] })).stdout).toBe('a  b $HOME; id\n')
    expect((await exec('echo', { args: ['a  b', '$HOME; id'], shell: false })).stdout).toBe('a  b $HOME; id\n')
    expect((await exec('echo $0; echo $OWN', { shell: '/bin/ash' })).stdout).toBe('/bin/ash\nits own\n')
  })

  it('directory and variables: the nearest wins', async () => {
    adapter.updateConfig({ defaultCwd: '/etc', defaultEnv: { A: 'default', B: 'default' } })
    expect((await exec('pwd; echo $A,$B')).stdout).toBe('/etc\ndefault,default\n')
    expect((await exec('pwd; echo $A,$B', { cwd: '/tmp', env: { B: 'it\'s "mine"; $x' } })).stdout).toBe('/tmp\ndefault,it\'s "mine"; $x\n')
    expect((await exec('sh', { args: ['-c', 'pwd; echo $B'], shell: false, env: { B: 'b' } })).stdout).toBe('/etc\nb\n')
    expect(await exec('echo ran', { cwd: '/missing', nothrow: true })).toMatchObject({ ok: false, stdout: '' })
  })

  it('the pod is named, selected, or one of a workload\'s; the container its default', async () => {
    expect((await exec('echo $ME', {}, { pod: 'pair' })).stdout).toBe('side\n')
    expect((await exec('echo $ME', {}, { pod: '-l app=pair', container: 'main' })).stdout).toBe('main\n')
    expect((await exec('echo $OWN', {}, { pod: 'deployment/web' })).stdout).toBe('its own\n')
    expect((await exec('echo $OWN', {}, { pod: 'svc/web' })).stdout).toBe('its own\n')
    expect((await exec('echo $ME', {}, { pod: 'pair', execFlags: ['-c', 'main'] })).stdout).toBe('main\n')
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

  it('have a terminal', async () => {
    expect((await exec('tty; exit 3', { nothrow: true }, { tty: true }))).toMatchObject({ exitCode: 3, stdout: expect.stringMatching(/^\/dev\/pts\//) as string })
    expect((await exec('tty', {}, { execFlags: ['-it'] })).stdout).toMatch(/^\/dev\/pts\//)
  })

  it('an exit code other than 0 is a CommandError, a result with nothrow, and a promise of core judges for itself', async () => {
    expect(await failureOf(CommandError, exec('echo half; exit 3'))).toMatchObject({ exitCode: 3, stdout: 'half\n', kind: 'command-failed', code: 'COMMAND_FAILED' })
    expect(await exec('exit 3', { nothrow: true })).toMatchObject({ exitCode: 3, ok: false })
    expect(await exec('exit 3', { __fromProcessPromise: true })).toMatchObject({ exitCode: 3, ok: false })
    expect(await exec('kill -KILL $$', { nothrow: true })).toMatchObject({ exitCode: 137, ok: false })
  })

  it('out of time or aborted, they are ended in the pod too', async () => {
    expect(await failureOf(TimeoutError, exec('sleep 1111', { timeout: 500 }))).toMatchObject({ timeout: 500, kind: 'timeout' })
    await gone('sleep 1111')
    expect(await exec('echo head; sleep 2222', { timeout: 1_000, nothrow: true })).toMatchObject({ exitCode: 124, signal: 'SIGTERM', ok: false })
    await gone('sleep 2222')
    const abort = new AbortController()
    const stdout = new PassThrough()
    const running = exec('echo started; sleep 3333', {
      signal: abort.signal, onSpawn: (handle) => { handle.stdout.once('data', () => { abort.abort(new Error('enough')) }).pipe(stdout) },
    })
    expect(await failureOf(KubernetesError, running)).toMatchObject({ details: { operation: 'execute' } })
    await gone('sleep 3333')
    expect((await exec('echo next')).stdout).toBe('next\n')
  })

  it('live streams, and a kill', async () => {
    const lines: string[] = []
    const result = await exec('echo ready; exec sleep 4444', {
      nothrow: true,
      onSpawn: (handle) => { handle.stdout.setEncoding('utf8').on('data', (text: string) => { lines.push(text); handle.kill('SIGKILL') }) },
    })
    expect(lines).toEqual(['ready\n'])
    expect(result).toMatchObject({ ok: false, stdout: 'ready\n' })
    await gone('sleep 4444')
  })

  it('too much output ends them, and what fitted is kept', async () => {
    const error = await failureOf(KubernetesError, exec('yes', { maxBuffer: 10_000 }))
    expect(error.cause).toMatchObject({ code: 'EMAXBUFFER', limit: 10_000 })
    await gone('yes')
  })

  it('secrets do not show', async () => {
    const result = await exec('echo password=hunter2')
    expect(JSON.stringify(result)).not.toContain('hunter2')
    const error = await failureOf(CommandError, exec('echo token=hunter2; exit 1'))
    expect(`${error.message}${error.stdout}`).not.toContain('hunter2')
  })

  it('what is missing or forbidden is said, and is a result with nothrow', async () => {
    const missing = await failureOf(KubernetesError, exec('true', {}, { pod: 'nope' }))
    expect(missing).toMatchObject({ code: 'KUBERNETES_ERROR', kind: 'not-found', pod: 'nope', message: expect.stringContaining('nope') as string })
    expect(await exec('true', { nothrow: true }, { pod: 'nope' })).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('nope') as string })
    expect(await failureOf(KubernetesError, exec('true', {}, { container: 'nope' }))).toMatchObject({ kind: 'not-found', container: 'nope' })
    expect(await failureOf(KubernetesError, exec('true', {}, { pod: '-l app=nope' }))).toMatchObject({ kind: 'not-found' })
    await bed.permit('viewer', ['get', 'list'], ['pods'])
    const viewer = new KubernetesAdapter({ kubeconfig: await bed.kubeconfig({ user: 'viewer' }) })
    expect(await failureOf(KubernetesError, viewer.execute({ command: 'true', adapterOptions: inPod({ pod: 'web' }) })))
      .toMatchObject({ kind: 'permission-denied', message: expect.stringContaining('pods/exec') as string })
    await viewer.dispose()
  })

  it('wrong options are refused before anything is asked', async () => {
    // Where nobody answers: what asked would say so.
    adapter.updateConfig({ kubeconfig: await unreachable(bed) })
    expect((await failureOf(KubernetesError, adapter.execute({ command: 'true' }))).message).toContain('Pod name or selector is required')
    for (const options of [{ pod: '../x' }, { namespace: 'A b' }, { execFlags: ['--as=root'] }, { container: 'a/b' }, { tyy: true }]) {
      expect((await failureOf(KubernetesError, exec('true', {}, options))).cause).toBeInstanceOf(InvalidOptionError)
    }
    expect(await failureOf(KubernetesError, exec('true'))).toMatchObject({ kind: 'connection-refused' })
    expect(() => new KubernetesAdapter({ contxt: 'x' } as object)).toThrow('did you mean \'context\'?')
  })
}

/** The same cluster at a port where nobody listens. */
async function unreachable(bed: Bed): Promise<string> {
  const config = JSON.parse(readFileSync(await bed.kubeconfig(), 'utf8')) as { clusters: [{ cluster: { server: string } }] }
  config.clusters[0].cluster.server = 'https://127.0.0.1:1'
  const file = join(bed.folder, 'unreachable')
  writeFileSync(file, JSON.stringify(config))
  return file
}
