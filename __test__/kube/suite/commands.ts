import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Bed, StartBed } from '../../support/bed'
import { failureOf } from '../../support/failure'
import { KubernetesConnectionPool, type KubernetesContext } from '../../support/native'
import { eventually } from './eventually'

/** Commands in pods, on any cluster. */
export function commandsInPods(start: StartBed): void {
  let bed: Bed
  let pool: KubernetesConnectionPool
  let context: KubernetesContext

  beforeAll(async () => {
    bed = await start()
    await bed.pod({ name: 'web' })
    await bed.pod({ name: 'two', containers: [{ name: 'first' }, { name: 'second', env: [{ name: 'WHO', value: 'second' }] }],
      annotations: { 'kubectl.kubernetes.io/default-container': 'second' } })
    pool = new KubernetesConnectionPool({ kubeconfig: await bed.kubeconfig() })
    context = pool.context
  }, 180_000)

  afterAll(async () => {
    await pool.dispose()
    await bed.stop()
  })

  const running = async (word: string): Promise<number> => (await bed.processes('web')).filter((words) => words.includes(word)).length

  test('a command ends with its own streams and exit code', async () => {
    const result = await context.exec('web', 'echo out; echo err >&2; exit 3')
    expect(result).toMatchObject({ stdout: 'out\n', stderr: 'err\n', exitCode: 3, ok: false, pod: 'web', namespace: bed.home })
  })

  test('a signal is told by its name and 128 + n', async () => {
    expect(await context.exec('web', 'kill -9 $$')).toMatchObject({ exitCode: 137, signal: 'SIGKILL', ok: false })
    const byItself = await context.exec('web', 'exit 143')
    expect(byItself).toMatchObject({ exitCode: 143, ok: false })
    expect(byItself).not.toHaveProperty('signal')
  })

  test('bytes go in and out as they are, and stdin ends', async () => {
    const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * 7) % 256))
    const result = await context.exec('web', 'cat', { stdin: bytes, encoding: 'buffer' })
    expect(result.exitCode).toBe(0)
    expect(result.stdout.equals(bytes)).toBe(true)
    expect(await context.exec('web', 'wc -c', { stdin: Readable.from([Buffer.alloc(70_000), Buffer.alloc(5)]) })).toMatchObject({ stdout: '70005\n' })
  })

  test('without input, stdin is at its end', async () => {
    expect(await context.exec('web', 'cat; echo done')).toMatchObject({ stdout: 'done\n', exitCode: 0 })
  })

  test('a command that reads no input ends although there is more of it', async () => {
    const process = context.spawn('web', 'echo here; exit 4')
    process.stdin.write('unread')
    process.stdout.resume()
    process.stderr.resume()
    expect(await process.done).toMatchObject({ exitCode: 4 })
  })

  test('a stream is answered while it is open', async () => {
    const process = context.spawn('web', 'while read -r line; do echo "got $line"; done; echo end')
    const lines = process[Symbol.asyncIterator]()
    process.stdin.write('one\n')
    expect((await lines.next()).value).toBe('got one')
    process.stdin.write('two\n')
    expect((await lines.next()).value).toBe('got two')
    process.stdin.end()
    expect((await lines.next()).value).toBe('end')
    expect(await process.done).toMatchObject({ exitCode: 0 })
  })

  test('variables and the directory reach the command, and variables no process list', async () => {
    const env = { SECRET: 'it\'s $a "secret"\nof two lines', EMPTY: '' }
    const result = await context.exec('web', 'printf "%s|%s|" "$SECRET" "$EMPTY"; pwd; tr "\\0" " " </proc/$$/cmdline; tr "\\0" " " </proc/$PPID/cmdline', { env, cwd: '/tmp' })
    expect(result.stdout).toContain(`${env.SECRET}||/tmp\n`)
    expect(result.stdout.split('/tmp\n')[1]).not.toContain('secret')
    expect(await context.exec('web', ['sh', '-c', 'echo "$A:$PWD:$1"', 'x', 'a b'], { env: { A: '1' }, cwd: '/tmp' })).toMatchObject({ stdout: '1:/tmp:a b\n' })
    expect(await context.exec('web', 'echo never', { cwd: '/nowhere' })).toMatchObject({ stdout: '', exitCode: 1 })
  })

  test('a program and its arguments are no words for a shell', async () => {
    expect(await context.exec('web', ['echo', '$HOME', 'a;b', '*'])).toMatchObject({ stdout: '$HOME a;b *\n' })
    expect(await context.exec('web', ['cat'], { stdin: 'x' })).toMatchObject({ stdout: 'x' })
  })

  test('a terminal has its size, and is told a new one', async () => {
    const process = context.spawn('web', 'stty size; read x; stty size; tty >/dev/null && echo terminal', { pty: { columns: 90, rows: 30 } })
    const lines = process[Symbol.asyncIterator]()
    expect((await lines.next()).value).toBe('30 90')
    process.resize(120, 40)
    // The new size and the key travel over one socket, in this order.
    await eventually('the new size is there', async () => (await context.exec('web', 'for t in /dev/pts/[0-9]*; do stty size <$t; done')).stdout.includes('40 120'))
    process.stdin.write('\r')
    const rest: string[] = []
    for await (const line of { [Symbol.asyncIterator]: () => lines }) rest.push(line)
    expect(rest).toContain('40 120')
    expect(rest).toContain('terminal')
  })

  test('a timeout ends the process in the pod', async () => {
    const failure = await failureOf(context.exec('web', 'sleep 4321', { timeout: 1_000 }))
    expect(failure).toMatchObject({ code: 'ETIMEDOUT', kind: 'timeout' })
    await eventually('0 processes 4321', async () => await running('4321') === 0)
  })

  test('an abort ends the process in the pod, with input, variables and children', async () => {
    const controller = new AbortController()
    const command = context.exec('web', 'sleep 4322 & sleep 4322', { signal: controller.signal, env: { A: 'b' }, stdin: 'x' })
    await eventually('2 processes 4322', async () => await running('4322') === 2)
    controller.abort()
    expect(await failureOf(command)).toMatchObject({ code: 'ABORT_ERR' })
    await eventually('0 processes 4322', async () => await running('4322') === 0)
  })

  test('kill sends a signal that the command may catch', async () => {
    const process = context.spawn('web', 'trap "echo caught; exit 9" USR1; echo ready; while :; do sleep 0.1; done')
    const lines = process[Symbol.asyncIterator]()
    expect((await lines.next()).value).toBe('ready')
    process.kill('SIGUSR1')
    expect((await lines.next()).value).toBe('caught')
    expect(await process.done).toMatchObject({ exitCode: 9 })
  })

  test('more output than maxBuffer is an error that has what came before', async () => {
    const failure = await failureOf(context.exec('web', 'yes 4323', { maxBuffer: 1_000 }))
    expect(failure).toMatchObject({ code: 'EMAXBUFFER', stream: 'stdout', limit: 1_000 })
    await eventually('0 processes 4323', async () => await running('4323') === 0)
  })

  test('the annotation says which container, and a name says it better', async () => {
    expect(await context.exec('two', 'echo $WHO')).toMatchObject({ stdout: 'second\n' })
    expect(await context.exec('two', 'echo "[$WHO]"', { container: 'first' })).toMatchObject({ stdout: '[]\n', container: 'first' })
  })

  test('a session keeps its directory and variables', async () => {
    const session = await context.session('web', { cwd: '/tmp' })
    await session.execute('export A=kept; cd /etc')
    expect(await session.execute('echo "$A $PWD"')).toMatchObject({ stdout: 'kept /etc\n' })
    expect(await session.execute('false')).toMatchObject({ exitCode: 1 })
    await session.close()
  })

  test('a persistent shell runs many commands, one after the other', async () => {
    for (let index = 0; index < 5; index++) {
      expect(await context.exec('web', `echo ${index}; exit ${index}`, { shell: 'persistent' })).toMatchObject({ stdout: `${index}\n`, exitCode: index })
    }
  })

  test('a socket that drops before the status is a lost connection, never success', async () => {
    const process = context.spawn('web', 'echo first; sleep 4324')
    const lines = process[Symbol.asyncIterator]()
    expect((await lines.next()).value).toBe('first')
    bed.cut()
    expect(await failureOf(process.done)).toMatchObject({ code: 'ECONNLOST', kind: 'connection-lost', reached: true })
    expect(await context.exec('web', 'echo again')).toMatchObject({ stdout: 'again\n' })
    await context.exec('web', 'pkill -f "sleep 432[4]"')
  })

  test('64 commands at once all end well', async () => {
    const results = await Promise.all(Array.from({ length: 64 }, (_, index) => context.exec('web', `echo ${index}`)))
    expect(results.map(({ stdout }) => stdout)).toEqual(Array.from({ length: 64 }, (_, index) => `${index}\n`))
    expect(pool.getStats().totalConnections).toBe(1)
  })

  test('labels find a pod', async () => {
    await bed.pod({ name: 'labelled', labels: { app: 'found' } })
    expect(await context.exec({ selector: 'app=found' }, 'hostname >/dev/null; echo ok')).toMatchObject({ stdout: 'ok\n', pod: 'labelled' })
    expect(await failureOf(context.exec({ selector: 'app=nobody' }, 'true'))).toMatchObject({ code: 'ENOPOD', kind: 'not-found' })
  })
}
