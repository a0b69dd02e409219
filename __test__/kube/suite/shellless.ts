import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Bed, type StartBed, temporaryFolder } from '../../support/bed'
import { failureOf } from '../../support/failure'
import { failureOf as failed } from '../../support/failure-of'
import { KubernetesAdapter, KubernetesError, KubernetesConnectionPool, type KubernetesContext } from '../../support/native'
import { eventually } from './eventually'

const WAIT = ['busybox', 'sleep', '36000']

/** Containers of one static program, without `sh` and `tar`, on any cluster. */
export function containersWithoutShell(start: StartBed): void {
  let bed: Bed
  let pool: KubernetesConnectionPool
  let context: KubernetesContext
  const temporary = temporaryFolder()

  beforeAll(async () => {
    bed = await start()
    await bare('web')
    pool = new KubernetesConnectionPool({ kubeconfig: await bed.kubeconfig() })
    context = pool.context
  }, 180_000)

  afterAll(async () => {
    await pool.dispose()
    await bed.stop()
    temporary.remove()
  })

  const bare = (name: string): Promise<unknown> => bed.pod({ name, image: bed.bareImage, command: WAIT })

  /** Asked through the container itself: it has no other program. */
  const processes = async (word: string): Promise<string[]> => {
    const list = (await context.exec('web', ['busybox', 'ps', '-o', 'pid,args'])).stdout.split('\n').map((line) => line.trim().split(/\s+/))
    return list.filter((words) => words.includes(word)).map(([pid = '']) => pid)
  }

  const running = async (word: string): Promise<boolean> => (await processes(word)).length > 0

  const kill = async (signal: string, word: string): Promise<void> => {
    expect(await context.exec('web', ['busybox', 'sh', '-c', 'kill "$@"', 'sh', `-${signal}`, ...await processes(word)])).toMatchObject({ exitCode: 0 })
  }

  /** From this version on a server can say that stdin has ended. */
  const endsInput = async (): Promise<boolean> =>
    Number((JSON.parse((await context.request('GET', '/version')).body.toString()) as { minor: string }).minor.replace(/\D/g, '')) >= 30

  const NO_SHELL = { code: 'ENOPROGRAM', kind: 'not-found', reached: false, message: expect.stringContaining('has no sh') as string }

  test('a program ends with its own streams and exit code, or by its signal', async () => {
    expect(await context.exec('web', ['busybox', 'echo', 'a  b', '$HOME;*'])).toMatchObject({ stdout: 'a  b $HOME;*\n', stderr: '', exitCode: 0, ok: true })
    expect(await context.exec('web', ['busybox', 'cat', '/missing'])).toMatchObject({ stdout: '', stderr: expect.stringContaining('/missing') as string, exitCode: 1 })
    expect(await context.exec('web', ['busybox', 'sh', '-c', 'echo out; echo err >&2; exit 3'])).toMatchObject({ stdout: 'out\n', stderr: 'err\n', exitCode: 3 })
    expect(await context.exec('web', ['busybox', 'sh', '-c', 'kill -9 $$'])).toMatchObject({ exitCode: 137, signal: 'SIGKILL', ok: false })
    const lines: string[] = []
    for await (const line of context.spawn('web', ['busybox', 'seq', '3'])) lines.push(line)
    expect(lines).toEqual(['1', '2', '3'])
  })

  test('a program that is not there is named', async () => {
    expect(await failureOf(context.exec('web', ['no-such-program']))).toMatchObject({ code: 'ENOPROGRAM', kind: 'not-found', message: expect.stringContaining('no-such-program') as string })
  })

  test('what needs sh says that there is none: lines, variables, a directory, sessions, persistent shells', async () => {
    // In a pod that nothing is known of, and again where it is.
    await bare('unknown')
    for (const pod of ['unknown', 'web', 'web']) {
      expect(await failureOf(context.exec(pod, 'echo line'))).toMatchObject(NO_SHELL)
      expect(await failureOf(context.exec(pod, 'echo line', { shell: 'persistent' }))).toMatchObject(NO_SHELL)
      expect(await failureOf(context.spawn(pod, 'echo line').done)).toMatchObject(NO_SHELL)
      expect(await failureOf(context.session(pod))).toMatchObject({ code: 'ENOPROGRAM', kind: 'not-found' })
      for (const options of [{ env: { A: '1' } }, { cwd: '/bin' }]) {
        expect(await failureOf(context.exec(pod, ['busybox', 'true'], options)))
          .toMatchObject({ code: 'ENOTSUP', kind: 'invalid-usage', message: expect.stringContaining('has no sh') as string })
      }
    }
    expect(await context.exec('web', ['busybox', 'echo', 'on'], { shell: 'persistent' })).toMatchObject({ stdout: 'on\n' })
  })

  test('stdin gets there whole from the first command on, where the server can say that it has ended', async () => {
    const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * 7) % 256))
    const able = await endsInput()
    await bare('reader')
    for (const stdin of [() => bytes, () => Readable.from([bytes.subarray(0, 70_000), bytes.subarray(70_000)]), () => bytes]) {
      const reading = context.exec('reader', ['busybox', 'cat'], { stdin: stdin(), encoding: 'buffer' })
      if (able) expect((await reading).stdout.equals(bytes)).toBe(true)
      else expect(await failureOf(reading)).toMatchObject({ code: 'ENOTSUP', message: expect.stringContaining('no sh') as string })
    }
    expect(await context.exec('reader', ['busybox', 'cat'])).toMatchObject({ stdout: '', exitCode: 0 })
    const writing = context.spawn('reader', ['busybox', 'cat'])
    writing.stderr.resume()
    writing.stdin.write('spoken')
    if (able) {
      const lines = writing[Symbol.asyncIterator]()
      writing.stdin.end()
      expect((await lines.next()).value).toBe('spoken')
      expect(await writing.done).toMatchObject({ exitCode: 0 })
    } else expect(await failureOf(writing.done)).toMatchObject({ code: 'ENOTSUP' })
  })

  test('a timeout is told at once, with why the process stays', async () => {
    const failure = await failureOf(context.exec('web', ['busybox', 'sleep', '4321'], { timeout: 1_000 }))
    expect(failure).toMatchObject({ code: 'ETIMEDOUT', kind: 'timeout', limit: 1_000, cause: { message: expect.stringContaining('no sh') as string } })
    expect(await running('4321')).toBe(true)
    await kill('KILL', '4321')
  })

  test('an abort is told at once', async () => {
    const controller = new AbortController()
    const command = context.exec('web', ['busybox', 'sleep', '4322'], { signal: controller.signal })
    await eventually('it runs', () => running('4322'))
    controller.abort()
    expect(await failureOf(command)).toMatchObject({ code: 'ABORT_ERR' })
    await kill('KILL', '4322')
  })

  test('a signal does not get there, and how the command ends is told all the same', async () => {
    const process = context.spawn('web', ['busybox', 'sleep', '4323'])
    await eventually('it runs', () => running('4323'))
    process.kill('SIGUSR1')
    await kill('TERM', '4323')
    expect(await process.done).toMatchObject({ exitCode: 143, ok: false })
  })

  test('a terminal has its keys: what is to end is interrupted', async () => {
    const process = context.spawn('web', ['busybox', 'sh', '-c', 'stty size; exec busybox sleep 4324'], { pty: { columns: 90, rows: 30 } })
    process.stdout.resume()
    await eventually('it runs', () => running('4324'))
    process.kill('SIGTERM')
    expect(await process.done).toMatchObject({ ok: false })
    expect(await failureOf(context.exec('web', ['busybox', 'sleep', '4325'], { pty: true, timeout: 1_000 }))).toMatchObject({ code: 'ETIMEDOUT' })
    await eventually('it is interrupted', async () => !await running('4325'))
  })

  test('too much output is told, with what came before', async () => {
    expect(await failureOf(context.exec('web', ['busybox', 'yes', '4326'], { maxBuffer: 1_000 }))).toMatchObject({ code: 'EMAXBUFFER', limit: 1_000 })
    await kill('KILL', '4326')
  })

  test('copies say that there is no tar', async () => {
    await bare('other')
    for (const pod of ['web', 'other']) {
      const lacks = (what: string): object => ({ code: 'ENOPROGRAM', kind: 'not-found', message: expect.stringContaining(`has no ${what}`) as string })
      expect(await failureOf(context.copyFrom(pod, '/bin/busybox', temporary.path))).toMatchObject(lacks('tar'))
      expect(await failureOf(context.copyTo(import.meta.filename, pod, '/file'))).toMatchObject(lacks('test'))
      const into = await failureOf(context.copyTo(import.meta.filename, pod, '/'))
      expect(into).toMatchObject(await endsInput() ? lacks('tar') : { code: 'ENOTSUP', message: expect.stringContaining('no sh') as string })
    }
  })

  test('logs and lists want no shell', async () => {
    await bed.pod({ name: 'talker', image: bed.bareImage, command: ['busybox', 'sh', '-c', 'echo said; exec busybox sleep 36000'] })
    await eventually('it has spoken', async () => await context.logs('talker') === 'said\n')
    expect(await context.getPod('talker')).toMatchObject({ phase: 'Running', ready: true })
  })

  test('a pod of the same name that has a shell is used as such at once', async () => {
    await bare('changing')
    expect(await context.exec('changing', ['busybox', 'echo', '1'])).toMatchObject({ stdout: '1\n' })
    expect(await failureOf(context.exec('changing', 'echo line'))).toMatchObject(NO_SHELL)
    await bed.remove('changing')
    await bed.pod({ name: 'changing' })
    expect(await context.exec('changing', 'echo "$A"', { env: { A: 'line' } })).toMatchObject({ stdout: 'line\n' })
    expect(await failureOf(context.exec('changing', ['sleep', '4327'], { timeout: 500 }))).toMatchObject({ code: 'ETIMEDOUT' })
    await eventually('it is ended', async () => !(await bed.processes('changing')).some((words) => words.includes('4327')))
  })

  test('the adapter runs programs there, and says what it lacks for lines', async () => {
    const adapter = new KubernetesAdapter({ kubeconfig: await bed.kubeconfig() })
    const adapterOptions = { type: 'kubernetes', pod: 'web' }
    expect(await adapter.execute({ command: 'busybox', args: ['echo', '$A'], shell: false, adapterOptions })).toMatchObject({ stdout: '$A\n', exitCode: 0 })
    expect(await failed(KubernetesError, adapter.execute({ command: 'echo line', adapterOptions }))).toMatchObject({ kind: 'not-found', message: expect.stringContaining('has no sh') as string })
    await adapter.dispose()
  })
}
