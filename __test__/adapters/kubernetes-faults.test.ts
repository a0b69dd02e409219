/** API server and runtime are killed and come back: honest errors, no hang, and the next call works. */
import { once } from 'node:events'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { KubernetesAdapter, KubernetesError } from '../support/native'
import { failureOf } from '../support/failure-of'
import { Cluster } from '../support/kube'
import { until } from '../support/wait'

describe.each([
  { streaming: 'v5', fault: 'the API server' }, { streaming: 'v5', fault: 'the runtime' },
  { streaming: 'v4', fault: 'the API server' }, { streaming: 'v4', fault: 'the runtime' },
] as const)('$fault is killed and comes back, $streaming', ({ streaming, fault }) => {
  let cluster: Cluster
  let adapter: KubernetesAdapter
  let port: number
  let folder: string
  let echo: Server

  beforeAll(async () => {
    cluster = await Cluster.start({ streaming })
    // Pods are on this machine's own network, so what a forward leads to may as well be here.
    echo = createServer((socket) => { socket.on('error', () => undefined).pipe(socket) }).listen(0, '127.0.0.1')
    await once(echo, 'listening')
    port = (echo.address() as AddressInfo).port
    folder = mkdtempSync(join(tmpdir(), 'xec-faults-'))
    await cluster.pod({ name: 'web', command: ['sh', '-c', 'i=0; while true; do echo line $i; i=$((i+1)); sleep 0.1; done'] })
  })
  afterAll(async () => {
    echo.close()
    await cluster.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  beforeEach(() => { adapter = new KubernetesAdapter({ kubeconfig: cluster.kubeconfig() }) })
  afterEach(async () => {
    await comeBack()
    await adapter.dispose()
  })

  const broken = (): { kill(): Promise<void>, resume(): Promise<void> } => (fault === 'the runtime' ? cluster.runtime : cluster.api)

  let isDown = false

  async function kill(): Promise<void> {
    isDown = true
    await broken().kill()
  }

  async function comeBack(): Promise<void> {
    if (isDown) await broken().resume()
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

  it('while logs are followed: the stream breaks, and says so', async () => {
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
    stream.stop()
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

  /** Resolves when tar runs in the pod. */
  async function unpacking(): Promise<void> {
    const seen = { tar: false }
    const look = setInterval(() => {
      cluster.pods.processes('default', 'web', 'main').then(
        (all) => { seen.tar ||= all.some(({ command }) => command.includes('tar')) },
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

  it('during a copy: it fails, and the next one is whole', async () => {
    // Long enough to be met under way.
    writeFileSync(join(folder, 'big'), '')
    truncateSync(join(folder, 'big'), 1024 ** 3)
    const copying = failureOf(KubernetesError, adapter.copyFiles(join(folder, 'big'), 'web:/tmp/copied', { direction: 'to' }))
    await unpacking()
    await kill()
    expect(await copying).toMatchObject({ kind: 'connection-lost', details: { operation: 'copyFiles' } })
    await worksAgain()
    writeFileSync(join(folder, 'small'), 'whole')
    await adapter.copyFiles(join(folder, 'small'), 'web:/tmp/copied', { direction: 'to' })
    expect((await exec('cat /tmp/copied')).stdout).toBe('whole')
  })
})

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
