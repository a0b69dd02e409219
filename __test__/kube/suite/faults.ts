/** Parts of a cluster are killed and come back: honest errors, no hang, and the next call works. */
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { KubernetesAdapter, KubernetesError } from '../../support/native'
import { failureOf } from '../../support/failure-of'
import type { Bed, Part, StartBed } from '../../support/bed'
import { until } from '../../support/wait'

/** On any cluster whose pods are on this machine's own network. */
export function faults(start: StartBed, fault: Part): void {
  let bed: Bed
  let kubeconfig: string
  let adapter: KubernetesAdapter
  let port: number
  let folder: string
  let echo: Server

  beforeAll(async () => {
    bed = await start()
    kubeconfig = await bed.kubeconfig()
    // Pods are on this machine's own network, so what a forward leads to may as well be here.
    echo = createServer((socket) => { socket.on('error', () => undefined).pipe(socket) }).listen(0, '127.0.0.1')
    await once(echo, 'listening')
    port = (echo.address() as AddressInfo).port
    folder = mkdtempSync(join(tmpdir(), 'xec-faults-'))
    await bed.pod({ name: 'web', command: ['sh', '-c', 'i=0; while true; do echo line $i; i=$((i+1)); sleep 0.1; done'] })
  }, 180_000)
  afterAll(async () => {
    echo.close()
    await bed.stop()
    rmSync(folder, { recursive: true, force: true })
  }, 120_000)
  beforeEach(() => { adapter = new KubernetesAdapter({ kubeconfig }) })
  afterEach(async () => {
    await comeBack()
    await adapter.dispose()
  }, 120_000)

  let isDown = false

  async function kill(): Promise<void> {
    isDown = true
    await bed.part(fault).kill()
  }

  async function comeBack(): Promise<void> {
    if (isDown) await bed.part(fault).resume()
    isDown = false
  }

  const exec = (command: string, extra: object = {}): ReturnType<KubernetesAdapter['execute']> =>
    adapter.execute({ command, adapterOptions: { type: 'kubernetes', ...{ pod: 'web' } }, ...extra })

  /** The next call works. */
  async function worksAgain(): Promise<void> {
    await comeBack()
    expect((await exec('echo back')).stdout).toBe('back\n')
  }

  it('during a command: it is lost, never ended well', async () => {
    const seen = { started: false }
    const running = failureOf(KubernetesError, exec('echo started; exec sleep 1000', {
      onSpawn: ({ stdout }: { stdout: NodeJS.ReadableStream }) => { stdout.once('data', () => { seen.started = true }) },
    }))
    await until('the command runs', () => seen.started)
    await kill()
    expect(await running).toMatchObject({ kind: 'connection-lost', reached: true })
    const refused = await failureOf(KubernetesError, exec('true', { timeout: 20_000 }))
    expect(refused.kind).not.toBe('command-failed')
    await worksAgain()
  })

  it('during a command with nothrow: still an error, not a result', async () => {
    const seen = { started: false }
    const running = failureOf(KubernetesError, exec('echo started; exec sleep 1000', {
      nothrow: true, onSpawn: ({ stdout }: { stdout: NodeJS.ReadableStream }) => { stdout.once('data', () => { seen.started = true }) },
    }))
    await until('the command runs', () => seen.started)
    await kill()
    expect(await running).toMatchObject({ kind: 'connection-lost' })
    await worksAgain()
  })

  it('while logs are followed: the stream breaks and says so, or goes on', async () => {
    const lines: string[] = []
    const errors: Error[] = []
    const stream = await adapter.streamLogs('web', (line) => { lines.push(line) }, { follow: true, onError: (error) => { errors.push(error) } })
    await until('lines', () => lines.length > 2)
    await kill()
    if (fault === 'the API server') {
      expect(await failureOf(KubernetesError, stream.done)).toMatchObject({ kind: 'connection-lost', details: { operation: 'streamLogs' } })
      expect(errors).toHaveLength(1)
    }
    await worksAgain()
    const known = lines.length
    await until('more lines, or the word that there will be none', () => lines.length > known || errors.length > 0, 30_000)
    stream.stop()
    if (errors.length === 0) await stream.done
    else expect(errors).toEqual([expect.objectContaining({ kind: 'connection-lost' })])
  })

  it('during a forward: its connections end, the forward lives on', async () => {
    const forward = await adapter.portForward('web', 0, port)
    await forward.open()
    const before = await talking(forward.localPort)
    await kill()
    await before.ended
    await worksAgain()
    const after = await talking(forward.localPort)
    after.socket.destroy()
    expect(forward.isOpen).toBe(true)
    await forward.close()
  })

  /** Resolves when tar runs in the pod, with that among its words. */
  async function tarRuns(word: string): Promise<void> {
    const seen = { tar: false }
    const look = setInterval(() => {
      bed.processes('web').then(
        (all) => { seen.tar ||= all.some((words) => words.includes('tar') && words.some((one) => one.includes(word))) },
        // Asked once more when the runtime is gone already.
        () => undefined,
      )
    }, 20)
    try {
      await until('tar runs', () => seen.tar)
    } finally {
      clearInterval(look)
    }
  }

  it('during a copy out of a pod: it fails, leaves nothing that looks whole, and the next one is', async () => {
    await exec('truncate -s 1G /tmp/huge; echo whole > /tmp/small')
    const copying = failureOf(KubernetesError, adapter.copyFiles('web:/tmp/huge', join(folder, 'huge'), { direction: 'from' }))
    await tarRuns('huge')
    await kill()
    expect(await copying).toMatchObject({ kind: 'connection-lost', details: { operation: 'copyFiles' } })
    expect(existsSync(join(folder, 'huge')) && statSync(join(folder, 'huge')).size === 1024 ** 3).toBe(false)
    await worksAgain()
    await adapter.copyFiles('web:/tmp/small', join(folder, 'out'), { direction: 'from' })
    expect(readFileSync(join(folder, 'out'), 'utf8')).toBe('whole\n')
    await exec('rm -f /tmp/huge /tmp/small')
  })

  it('during a copy into a pod: it fails, and the next one is whole', async () => {
    // Long enough to be met under way.
    writeFileSync(join(folder, 'big'), '')
    truncateSync(join(folder, 'big'), 1024 ** 3)
    const copying = failureOf(KubernetesError, adapter.copyFiles(join(folder, 'big'), 'web:/tmp/copied', { direction: 'to' }))
    await tarRuns('-x')
    await kill()
    expect(await copying).toMatchObject({ kind: 'connection-lost', details: { operation: 'copyFiles' } })
    await worksAgain()
    writeFileSync(join(folder, 'small'), 'whole')
    await adapter.copyFiles(join(folder, 'small'), 'web:/tmp/copied', { direction: 'to' })
    expect((await exec('cat /tmp/copied')).stdout).toBe('whole')
  })
}

/** A connection through a forward, over which something came back. */
async function talking(port: number): Promise<{ socket: Socket, ended: Promise<void> }> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  const ended = new Promise<void>((resolve) => { socket.once('close', () => { resolve() }) })
  const answered = new Promise<string>((resolve, reject) => {
    socket.once('data', (data: Buffer) => { resolve(data.toString()) })
    socket.once('close', () => { reject(new Error('the connection was closed before anything came')) })
  })
  socket.write('hello\n')
  expect(await answered).toBe('hello\n')
  return { socket, ended }
}
