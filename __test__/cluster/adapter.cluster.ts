/**
 * KubernetesAdapter on a real cluster: the one that `npm run test:cluster` starts, or the one that KUBECONFIG_LIVE names. It makes a
 * namespace of its own and removes it.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type AdapterCommand, CommandError, KubernetesAdapter, KubernetesError, TimeoutError } from '../support/native'
import { failureOf } from '../support/failure-of'
import { Kubectl } from '../support/kubectl'
import { freePort } from '../support/ports'
import { until } from '../support/wait'

const kubeconfig = process.env['KUBECONFIG_LIVE'] ?? ''
const node = process.env['KUBE_LIVE_NODE']
const image = process.env['KUBE_LIVE_IMAGE'] ?? 'busybox:stable'

describe('KubernetesAdapter on a real cluster', () => {
  const namespace = `xec-${randomBytes(4).toString('hex')}`
  let kubectl: Kubectl
  let adapter: KubernetesAdapter
  let folder: string
  let port: number

  beforeAll(async () => {
    if (kubeconfig === '') throw new Error('KUBECONFIG_LIVE does not say which cluster: run "npm run test:cluster"')
    kubectl = new Kubectl(kubeconfig)
    folder = mkdtempSync(join(tmpdir(), 'xec-live-'))
    port = await freePort()
    await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
    await apply(pod('web', [
      { name: 'main', command: ['sh', '-c', 'i=0; while true; do echo line $i; i=$((i+1)); sleep 0.2; done'] }, { name: 'side', command: ['sleep', '36000'] },
    ]))
    await apply(pod('site', [{ name: 'main', command: ['sh', '-c', `mkdir /www; echo page > /www/index.html; exec httpd -f -p ${port} -h /www`] }]))
    const ready = await kubectl.run(['wait', '-n', namespace, '--for=condition=Ready', 'pod/web', 'pod/site', '--timeout=120s'])
    expect(ready).toMatchObject({ code: 0 })
  }, 180_000)

  afterAll(async () => {
    await kubectl.run(['delete', 'pod', '--all', '-n', namespace, '--grace-period=0', '--force'])
    await kubectl.run(['delete', 'namespace', namespace, '--wait=false'])
    rmSync(folder, { recursive: true, force: true })
  })

  beforeEach(() => { adapter = new KubernetesAdapter({ kubeconfig, namespace }) })
  afterEach(async () => { await adapter.dispose() })

  async function apply(object: object): Promise<void> {
    const { code, stderr } = await kubectl.run(['apply', '-f', '-'], { input: JSON.stringify(object) })
    if (code !== 0) throw new Error(stderr)
  }

  const pod = (name: string, containers: object[]): object => ({
    apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, labels: { app: name } },
    spec: {
      ...(node === undefined ? {} : { nodeName: node, hostNetwork: true }), automountServiceAccountToken: false, enableServiceLinks: false,
      terminationGracePeriodSeconds: 1, containers: containers.map((container) => ({ image, imagePullPolicy: 'IfNotPresent', ...container })),
    },
  })

  const exec = (command: string, extra: Partial<AdapterCommand> = {}, options: object = {}): ReturnType<KubernetesAdapter['execute']> =>
    adapter.execute({ command, adapterOptions: { type: 'kubernetes', ...{ pod: 'web', container: 'side' }, ...options }, ...extra })

  it('runs commands: streams, status, input to its end, directory, variables, a terminal', async () => {
    expect(await exec('echo out; echo err >&2')).toMatchObject({ stdout: 'out\n', stderr: 'err\n', exitCode: 0 })
    expect(await failureOf(CommandError, exec('exit 7'))).toMatchObject({ exitCode: 7 })
    const input = randomBytes(200_000)
    expect((await exec('cat', { stdin: input })).buffer().equals(input)).toBe(true)
    expect((await exec('pwd; echo $A', { cwd: '/tmp', env: { A: 'a b' } })).stdout).toBe('/tmp\na b\n')
    expect((await exec('tty', {}, { tty: true })).stdout).toMatch(/^\/dev\/pts\//)
    expect((await exec('echo selected', {}, { pod: '-l app=web' })).stdout).toBe('selected\n')
  })

  it('ends them in the pod', async () => {
    await failureOf(TimeoutError, exec('sleep 7654', { timeout: 2_000 }))
    const left = async (): Promise<boolean> => (await exec('ps | grep -c "[s]leep 7654"', { nothrow: true })).stdout.trim() !== '0'
    const seen = { left: true }
    for (let tries = 0; tries < 50 && seen.left; tries += 1) seen.left = await left()
    expect(seen.left).toBe(false)
  })

  it('shows and follows logs, lists, copies and forwards', async () => {
    const lines: string[] = []
    const stream = await adapter.streamLogs('web', (line) => { lines.push(line) }, { container: 'main', follow: true, tail: 1 })
    await until('some lines', () => lines.length > 3)
    stream.stop()
    await stream.done
    expect(lines.every((line) => /^line \d+\n$/.test(line))).toBe(true)
    expect((await adapter.listPods()).sort()).toEqual(['site', 'web'])
    await expect(adapter.getPodFromSelector('app=site')).resolves.toBe('site')
    await expect(adapter.isPodReady('web')).resolves.toBe(true)
    const content = randomBytes(3_000_000)
    writeFileSync(join(folder, 'sent'), content)
    await adapter.copyFiles(join(folder, 'sent'), 'web:/tmp/copied', { direction: 'to', container: 'side' })
    await adapter.copyFiles('web:/tmp/copied', join(folder, 'back'), { direction: 'from', container: 'side' })
    expect(readFileSync(join(folder, 'back')).equals(content)).toBe(true)
    const forward = await adapter.portForward('site', 0, port)
    await forward.open()
    await expect(Promise.all([page(forward.localPort), page(forward.localPort)])).resolves.toEqual(['page\n', 'page\n'])
    await forward.close()
  })

  it.each([
    ['get', 'pods', '-o', 'name'],
    ['get', 'pod', 'web', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'],
    ['logs', 'site'],
    ['logs', 'nope'],
    ['exec', 'web', '-c', 'side', '--', 'sh', '-c', 'echo out; exit 3'],
  ])('says what kubectl says: %s %s %s', async (...args) => {
    const real = await kubectl.run(['-n', namespace, ...args])
    expect(await adapter.executeKubectl(args)).toMatchObject({ stdout: real.stdout, exitCode: real.code })
  })

  it('says what is wrong', async () => {
    expect(await failureOf(KubernetesError, exec('true', {}, { pod: 'nope' }))).toMatchObject({ kind: 'not-found' })
    expect(await failureOf(KubernetesError, exec('true', {}, { container: 'nope' }))).toMatchObject({ kind: 'not-found' })
  })
})

const page = (at: number): Promise<string> => new Promise((resolve, reject) => {
  get({ port: at, host: '127.0.0.1', agent: false }, (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (piece: string) => { text += piece }).on('end', () => { resolve(text) }).on('error', reject)
  }).on('error', reject)
})
