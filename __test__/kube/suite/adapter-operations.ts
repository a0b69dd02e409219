import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { KubernetesAdapter, KubernetesError } from '../../support/native'
import { failureOf } from '../../support/failure-of'
import type { Bed, StartBed } from '../../support/bed'
import { Kubectl } from '../../support/kubectl'
import { freePort } from '../../support/ports'
import { until } from '../../support/wait'

/** KubernetesAdapter's other methods, on any bed. */
export function adapterOperations(start: StartBed): void {
  let bed: Bed
  let other: string
  let adapter: KubernetesAdapter
  let kubeconfig: string
  let port: number
  let folder: string

  beforeAll(async () => {
    bed = await start()
    port = await freePort()
    kubeconfig = await bed.kubeconfig()
    other = await bed.namespace('other')
    await bed.pod({ name: 'web', labels: { app: 'web' }, command: ['sh', '-c', 'echo one; echo; echo "  two  "; echo three; exec sleep 36000'] })
    await bed.pod({ name: 'done', labels: { app: 'web' }, command: ['true'] })
    await bed.pod({ name: 'pair', containers: [{ name: 'main', command: ['sh', '-c', 'echo from main; exec sleep 36000'] }, { name: 'side' }] })
    await bed.pod({ name: 'far', namespace: 'other', command: ['sh', '-c', 'echo far; exec sleep 36000'] })
    await bed.pod({ name: 'site', labels: { app: 'site' }, command: ['sh', '-c', `mkdir /www; echo page > /www/index.html; exec httpd -f -p 127.0.0.1:${port} -h /www`] })
    await bed.service({ name: 'site', selector: { app: 'site' }, ports: [{ port: 80, targetPort: port }] })
    await bed.deployment({ name: 'site', labels: { app: 'site' } })
  }, 180_000)
  afterAll(async () => { await bed.stop() })

  beforeEach(() => {
    adapter = new KubernetesAdapter({ kubeconfig })
    folder = mkdtempSync(join(tmpdir(), 'xec-adapter-'))
  })
  afterEach(async () => {
    await adapter.dispose()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is available where an API server answers and knows us', async () => {
    await expect(adapter.isAvailable()).resolves.toBe(true)
    const nobody = new KubernetesAdapter({ kubeconfig: join(folder, 'missing') })
    await expect(nobody.isAvailable()).resolves.toBe(false)
  })

  it('finds pods', async () => {
    expect(await adapter.listPods()).toEqual(expect.arrayContaining(['web', 'done', 'pair', 'site']))
    expect(await adapter.listPods({ namespace: other })).toEqual(['far'])
    expect(await adapter.listPods({ selector: '-l app=site' })).toEqual(['site'])
    await expect(adapter.getPodFromSelector('-l app=web')).resolves.toBe('web')
    await expect(adapter.getPodFromSelector('app=nope')).resolves.toBeNull()
    await expect(adapter.isPodReady('web')).resolves.toBe(true)
    await expect(adapter.isPodReady('done')).resolves.toBe(false)
    await expect(adapter.isPodReady('far', other)).resolves.toBe(true)
    await expect(adapter.isPodReady('nope')).resolves.toBe(false)
  })

  it('gives whole lines of logs, blank ones too, and ends with them', async () => {
    const lines: string[] = []
    const stream = await adapter.streamLogs('web', (line) => { lines.push(line) })
    await stream.done
    expect(lines).toEqual(['one\n', '\n', '  two  \n', 'three\n'])
  })

  it('follows logs until it is stopped, in other namespaces and containers too', async () => {
    await bed.pod({ name: 'talk', command: ['sh', '-c', 'i=0; while true; do echo line $i; i=$((i+1)); sleep 0.05; done'] })
    const lines: string[] = []
    const stream = await adapter.streamLogs('talk', (line) => { lines.push(line) }, { follow: true, tail: 1 })
    await until('some lines', () => lines.length > 5)
    stream.stop()
    await stream.done
    const count = lines.length
    const numbers = lines.map((line) => Number(/^line (\d+)\n$/.exec(line)?.[1]))
    expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index))
    await bed.remove('talk')
    expect(lines.length).toBe(count)
    await expect(collected('far', { namespace: other })).resolves.toEqual(['far\n'])
    await expect(collected('pair', { container: 'main', timestamps: true })).resolves.toEqual([expect.stringMatching(/^\d{4}-\d\d-\d\dT\S+Z from main\n$/)])
  })

  async function collected(pod: string, options: Parameters<KubernetesAdapter['streamLogs']>[2]): Promise<string[]> {
    const lines: string[] = []
    const stream = await adapter.streamLogs(pod, (line) => { lines.push(line) }, options)
    await stream.done
    return lines
  }

  it('logs that cannot come are refused at once', async () => {
    expect(await failureOf(KubernetesError, adapter.streamLogs('nope', () => undefined))).toMatchObject({ kind: 'not-found', details: { operation: 'streamLogs' } })
    expect(await failureOf(KubernetesError, adapter.streamLogs('web', () => undefined, { previous: true }))).toMatchObject({ message: expect.stringContaining('previous') as string })
    expect(await failureOf(KubernetesError, adapter.streamLogs('web', 'x' as never))).toMatchObject({ kind: 'invalid-usage' })
  })

  it('copies files and trees both ways, modes too', async () => {
    const [here, back] = [join(folder, 'tree'), join(folder, 'back')]
    mkdirSync(join(here, 'deep/empty'), { recursive: true })
    writeFileSync(join(here, 'deep/file'), randomBytes(2_000_000))
    writeFileSync(join(here, '.hidden'), 'dot')
    chmodSync(join(here, '.hidden'), 0o640)
    await adapter.copyFiles(here, 'web:/tmp/tree', { direction: 'to' })
    await adapter.copyFiles('web:/tmp/tree', back, { direction: 'from' })
    expect(readFileSync(join(back, 'deep/file')).equals(readFileSync(join(here, 'deep/file')))).toBe(true)
    expect(statSync(join(back, '.hidden')).mode & 0o777).toBe(0o640)
    expect(existsSync(join(back, 'deep/empty'))).toBe(true)
    // As core's pod().copyTo says it: the container in the same word.
    await adapter.copyFiles(join(here, '.hidden'), 'pair:/tmp/dot -c side', { direction: 'to', container: 'side', namespace: bed.home })
    await adapter.copyFiles(`${bed.home}/pair:/tmp/dot`, join(folder, 'dot'), { direction: 'from', container: 'side' })
    expect(readFileSync(join(folder, 'dot'), 'utf8')).toBe('dot')
  })

  it('a copy that cannot be made is refused', async () => {
    expect(await failureOf(KubernetesError, adapter.copyFiles(join(folder, 'nope'), 'web:/tmp/x', { direction: 'to' }))).toMatchObject({ kind: 'not-found' })
    expect(await failureOf(KubernetesError, adapter.copyFiles('web:/nope', join(folder, 'x'), { direction: 'from' }))).toMatchObject({ kind: 'not-found' })
    expect(await failureOf(KubernetesError, adapter.copyFiles('/a', '/b', { direction: 'to' }))).toMatchObject({ kind: 'invalid-usage' })
    expect(await failureOf(KubernetesError, adapter.copyFiles('/a', 'web:/b', {} as never))).toMatchObject({ kind: 'invalid-usage' })
  })

  it.each(['site', 'pod/site', 'service/site', 'deploy/site'])('forwards to %s until it is closed', async (what) => {
    const remote = what.startsWith('service') ? 80 : port
    const forward = await adapter.portForward(what, 0, remote, { dynamicLocalPort: true })
    expect(forward).toMatchObject({ isOpen: false, remotePort: remote })
    await forward.open()
    expect(forward.isOpen).toBe(true)
    await expect(Promise.all(Array.from({ length: 5 }, () => page(forward.localPort)))).resolves.toEqual(Array.from({ length: 5 }, () => 'page\n'))
    expect(await failureOf(KubernetesError, forward.open())).toMatchObject({ message: 'Port forward is already open' })
    await forward.close()
    await forward.close()
    expect(forward.isOpen).toBe(false)
    await expect(page(forward.localPort)).rejects.toThrow()
  })

  it('forwards from a given port, and dispose ends what nobody has closed', async () => {
    const local = await freePort()
    const forward = await adapter.portForward('site', local, port)
    await forward.open()
    expect(forward.localPort).toBe(local)
    await expect(page(local)).resolves.toBe('page\n')
    expect(adapter.portForwards.size).toBe(1)
    const second = await adapter.portForward('site', local, port)
    expect(await failureOf(KubernetesError, second.open())).toMatchObject({ details: { operation: 'portForward' } })
    await adapter.dispose()
    expect(adapter.portForwards.size).toBe(0)
    expect(forward.isOpen).toBe(false)
    await expect(page(local)).rejects.toThrow()
    expect(await failureOf(KubernetesError, adapter.portForward('site', 0, 70_000))).toMatchObject({ kind: 'invalid-usage' })
    const missing = await adapter.portForward('nope', 0, 80)
    expect(await failureOf(KubernetesError, missing.open())).toMatchObject({ kind: 'not-found' })
  })

  describe('executeKubectl', () => {
    it.each([
      ['logs', '-n', 'default', '--tail', '2', 'web'],
      ['logs', '-n', 'other', 'far'],
      ['logs', 'pair', '-c', 'main'],
      ['logs', 'nope'],
      ['logs', 'pair', '-c', 'nope'],
      ['get', 'pods', '-o', 'name'],
      ['get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[0].metadata.name}'],
      ['get', 'pod', 'web', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'],
      ['get', 'pod', 'web', '-n', 'other', '-o', 'json'],
      ['get', 'ns', '-o', 'name'],
      ['get', 'deploy', '-o', 'name'],
      ['get', 'svc/site', '-o', 'json'],
      ['get', 'pods', '-A', '-o', 'json'],
      ['exec', 'web', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'],
      ['exec', 'pair', '-c', 'side', '--', 'echo', 'a  b'],
    ])('does without kubectl, and says what kubectl says: %s %s %s %s', async (...words) => {
      const args = words.map((word) => ({ default: bed.home, other })[word] ?? word)
      const kubectl = (): ReturnType<Kubectl['run']> => new Kubectl(kubeconfig).run(args)
      const without = (): ReturnType<KubernetesAdapter['executeKubectl']> => withoutKubectl(() => adapter.executeKubectl(args))
      // Other tests' pods come and go on the same cluster: what is compared stood still meanwhile.
      let [before, ours, real] = [await kubectl(), await without(), await kubectl()]
      while (!isDeepStrictEqual(comparable(before.stdout), comparable(real.stdout))) {
        [before, ours, real] = [real, await without(), await kubectl()]
      }
      expect({ exitCode: ours.exitCode, stdout: comparable(ours.stdout) }).toEqual({ exitCode: real.code, stdout: comparable(real.stdout) })
      // kubectl's sentences differ from one version to the next.
      expect(sentence(ours.stderr) === '').toBe(sentence(real.stderr) === '')
      if (real.code === 1) expect(ours.stderr).toMatch(/not found|not valid/)
    })

    it('copies without kubectl', async () => {
      writeFileSync(join(folder, 'a'), 'content')
      await withoutKubectl(async () => {
        await adapter.executeKubectl(['cp', join(folder, 'a'), 'web:/tmp/a'], { throwOnNonZeroExit: true })
        await adapter.executeKubectl(['cp', '-n', bed.home, 'web:/tmp/a', join(folder, 'b')], { throwOnNonZeroExit: true })
      })
      expect(readFileSync(join(folder, 'b'), 'utf8')).toBe('content')
    })

    it('starts the real one for everything else, for the same cluster', async () => {
      const { stdout, exitCode } = await adapter.executeKubectl(['get', 'pods', '--no-headers'])
      expect(exitCode).toBe(0)
      expect(stdout).toContain('site')
      const elsewhere = new KubernetesAdapter({ kubeconfig, namespace: other })
      expect((await elsewhere.executeKubectl(['get', 'pods', '--no-headers'])).stdout).toMatch(/^far /)
      expect((await elsewhere.executeKubectl(['get', 'pods', '-o', 'name'])).stdout).toBe('pod/far\n')
      await elsewhere.dispose()
    })

    it('throws when it is to, says when there is no kubectl, and keeps to its time', async () => {
      expect(await failureOf(KubernetesError, adapter.executeKubectl(['logs', 'nope'], { throwOnNonZeroExit: true })))
        .toMatchObject({ code: 'KUBERNETES_ERROR', kind: 'not-found', message: expect.stringContaining('kubectl command failed with exit code 1: Error from server (NotFound)') as string })
      await withoutKubectl(async () => {
        expect(await failureOf(KubernetesError, adapter.executeKubectl(['version']))).toMatchObject({ kind: 'not-found', message: expect.stringContaining('kubectlPath') as string })
      })
      expect(await failureOf(KubernetesError, adapter.executeKubectl(['logs', '-f', 'web'], { timeout: 300 }))).toMatchObject({ kind: 'timeout' })
      expect(await failureOf(KubernetesError, adapter.executeKubectl([]))).toMatchObject({ kind: 'invalid-usage' })
    })

    async function withoutKubectl<T>(work: () => Promise<T>): Promise<T> {
      adapter.updateConfig({ kubectlPath: join(folder, 'no-kubectl') })
      try {
        return await work()
      } finally {
        adapter.updateConfig({ kubectlPath: 'kubectl' })
      }
    }
  })

  it('the same adapter reaches other namespaces and clusters', async () => {
    const elsewhere = adapter.at({ namespace: other })
    expect(await elsewhere.listPods()).toEqual(['far'])
    const forward = await adapter.at({ kubeconfig }).portForward('site', 0, port)
    await forward.open()
    await adapter.dispose()
    expect(forward.isOpen).toBe(false)
  })
}

/** Objects as such: an old kubectl also shows which client has written what of them. */
function comparable(text: string): unknown {
  if (!text.startsWith('{')) return text
  return JSON.parse(text, (key, value: unknown) => (key === 'managedFields' ? undefined : value))
}

/** Without what kubectl says of its own choices. */
const sentence = (stderr: string): string => stderr.split('\n').filter((line) => !line.startsWith('Defaulted container')).join('\n')

const page = (port: number): Promise<string> => new Promise((resolve, reject) => {
  get({ port, host: '127.0.0.1', agent: false }, (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (piece: string) => { text += piece }).on('end', () => { resolve(text) }).on('error', reject)
  }).on('error', reject)
})
