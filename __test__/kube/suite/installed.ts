import * as core from '@xec-sh/core'
import { readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createEngine, install, uninstall } from '../../../xec.mjs'
import { failureOf } from '../../support/failure-of'
import { type Bed, joined, temporaryFolder } from '../../support/bed'
import { KubernetesAdapter, KubernetesConnectionPool } from '../../support/native'
import { freePort } from '../../support/ports'
import { until } from '../../support/wait'

/** The drop-in for core, with two clusters configured: two, or two namespaces of the only one there is. `east` is the current one. */
export function installed(start: () => Promise<[Bed, Bed]>): void {
  const temporary = temporaryFolder()
  const folder = temporary.path
  let east: Bed
  let west: Bed
  /** Both clusters; east is the current one. */
  let kubeconfig: string
  let port: number

  beforeAll(async () => {
    [east, west] = await start()
    port = await freePort()
    for (const [bed, name] of [[east, 'east'], [west, 'west']] as const) {
      await bed.pod({ name: 'web', command: ['sh', '-c', `echo log of ${name}; exec sleep 36000`], env: [{ name: 'CLUSTER', value: name }] })
    }
    await west.pod({ name: 'site', command: ['sh', '-c', `mkdir /www; echo west > /www/index.html; exec httpd -f -p 127.0.0.1:${port} -h /www`] })
    kubeconfig = joined(join(folder, 'config'), [await east.kubeconfig({ name: 'east' }), await west.kubeconfig({ name: 'west' })])
  }, 180_000)

  afterAll(async () => {
    await KubernetesConnectionPool.getInstance().dispose()
    await west.stop()
    await east.stop()
    temporary.remove()
  })

  describe('install', () => {
    let $: typeof core.$
    let commands: string[]

    beforeEach(() => {
      $ = core.createCallableEngine(new core.ExecutionEngine())
      commands = []
      // Without a kubectl, so that nothing here is done by one.
      install($, { kubernetes: { kubeconfig, kubectlPath: join(folder, 'no-kubectl') } }).kubernetes.on('k8s:exec', ({ command }) => { commands.push(command) })
    })
    afterEach(async () => { await uninstall($) })

    /** Core's own `pod()` means 'default' where no namespace is named, whatever the kubeconfig says. */
    const place = ({ home }: Bed): { namespace: string } => ({ namespace: home })

    /** Without core's promise around it, whose rejections core 0.9.0 leaves unhandled. */
    const direct = (command: string, extra: Partial<core.Command> = {}, options: object = {}): Promise<core.ExecutionResult> =>
      $.execute({ command, adapter: 'kubernetes', adapterOptions: { type: 'kubernetes', pod: 'web', ...options }, ...extra })

    it('makes $.k8s({...}).exec run through Rust, with core\'s own result', async () => {
      const result = await $.k8s({ pod: 'web' }).exec`echo ${'a b; id'} && echo err >&2`
      expect(result).toMatchObject({ stdout: 'a b; id\n', stderr: 'err\n', exitCode: 0, ok: true, adapter: 'kubernetes' })
      expect(Object.getPrototypeOf(result)).toBe(Object.getPrototypeOf(await $`true`))
      expect(commands).toEqual([result.command])
    })

    it('text, lines, json, cd, env, nothrow, timeout, stdin', async () => {
      const pod = $.cd('/etc').k8s({ pod: 'web', ...place(east) }).pod('web')
      expect(await pod.exec`echo ${'x'}`.text()).toBe('x')
      expect(await pod.exec`printf 'x\ny\n'`.lines()).toEqual(['x', 'y'])
      expect(await pod.exec`echo '{"a":1}'`.json()).toEqual({ a: 1 })
      expect(await pod.exec`pwd`.text()).toBe('/etc')
      expect(await $.env({ GREETING: 'hi there' }).k8s({ pod: 'web', ...place(east) }).pod('web').exec`echo $GREETING`.text()).toBe('hi there')
      expect(await pod.exec`exit 3`.nothrow()).toMatchObject({ exitCode: 3, ok: false })
      expect(await pod.exec`sleep 300`.timeout(300).nothrow()).toMatchObject({ exitCode: 124 })
      expect(await direct('cat', { stdin: 'in' })).toMatchObject({ stdout: 'in' })
    })

    it('throws core\'s own errors', async () => {
      await failureOf(core.CommandError, direct('exit 3'))
      await failureOf(core.TimeoutError, direct('sleep 300', { timeout: 300 }))
      expect(await failureOf(core.KubernetesError, direct('true', {}, { pod: 'nope' }))).toMatchObject({ code: 'KUBERNETES_ERROR', kind: 'not-found', pod: 'nope' })
      expect(await failureOf(core.KubernetesError, $.execute({ command: 'true', adapter: 'kubernetes' }))).toMatchObject({ message: expect.stringContaining('Pod name or selector is required') as string })
    })

    it.each(['east', 'west'])('everything reaches the cluster that is meant: %s', async (context) => {
      const target = { context, pod: 'web' }
      expect(await $.k8s(target).exec`echo $CLUSTER`.text()).toBe(context)
      expect(await $.cd('/tmp').env({ X: 'x' }).k8s(target).exec`echo $CLUSTER $X; pwd`.text()).toBe(`${context} x\n/tmp`)
      const pod = $.k8s({ ...target, ...place(context === 'east' ? east : west) }).pod('web')
      expect(await pod.exec`echo $CLUSTER`.text()).toBe(context)
      expect(await pod.raw`echo $CLUSTER`.text()).toBe(context)
      expect(await pod.logs({ tail: 1 })).toBe(`log of ${context}\n`)
      const lines: string[] = []
      const following = await pod.follow((line) => { lines.push(line) })
      await until('a line', () => lines.length === 1)
      following.stop()
      expect(lines).toEqual([`log of ${context}\n`])
      const streamed: string[] = []
      await pod.streamLogs((line) => { streamed.push(line) }, { tail: 1 })
      await until('a line', () => streamed.length === 1)
      expect(streamed).toEqual([`log of ${context}\n`])
      writeFileSync(join(folder, 'sent'), `to ${context}`)
      await pod.copyTo(join(folder, 'sent'), '/tmp/copied', 'main')
      expect(await $.execute({ command: 'cat /tmp/copied', adapter: 'kubernetes', adapterOptions: { type: 'kubernetes', pod: 'web', context } })).toMatchObject({ stdout: `to ${context}` })
      await pod.copyFrom('/tmp/copied', join(folder, 'back'))
      expect(readFileSync(join(folder, 'back'), 'utf8')).toBe(`to ${context}`)
    })

    it('port forwards reach it too, and end with the engine', async () => {
      const dynamic = await $.k8s({ context: 'west', pod: 'site', ...place(west) }).pod('site').portForwardDynamic(port)
      expect(dynamic).toMatchObject({ isOpen: true, remotePort: port })
      expect(await page(dynamic.localPort)).toBe('west\n')
      const local = await freePort()
      const fixed = await $.k8s({ context: 'west', pod: 'site', ...place(west) }).pod('site').portForward(local, port)
      expect(await page(local)).toBe('west\n')
      await dynamic.close()
      expect(dynamic.isOpen).toBe(false)
      await uninstall($)
      expect(fixed.isOpen).toBe(false)
    })

    it('a kubeconfig of its own is meant as well', async () => {
      const own = await west.kubeconfig()
      expect(await $.k8s({ kubeconfig: own, pod: 'web' }).exec`echo $CLUSTER`.text()).toBe('west')
      expect(await $.k8s({ kubeconfig: own, pod: 'web', ...place(west) }).pod('web').logs()).toBe('log of west\n')
    })

    it('uninstall brings core\'s own adapter back', async () => {
      await uninstall($)
      expect($.getAdapter('kubernetes')).toBeInstanceOf(core.KubernetesAdapter)
      expect($.k8s({ context: 'west', pod: 'web' })).toBeTypeOf('function')
    })
  })

  describe('an engine of ours', () => {
    it('makes contexts, as the documents have it, and takes adapter objects', async () => {
      const $ = createEngine({ adapters: { kubernetes: { kubeconfig } } })
      const context = $.k8s.createContext({ kubeconfig, context: 'west' })
      expect(await context.exec('web', 'echo $CLUSTER')).toMatchObject({ stdout: 'west\n' })
      expect(await $.k8s({ pod: 'web' }).exec`echo $CLUSTER`.text()).toBe('east')
      const adapter = new KubernetesAdapter({ kubeconfig, context: 'west' })
      expect(await $.with({ adapter }).k8s({ pod: 'web' }).exec`echo $CLUSTER`.text()).toBe('west')
      await adapter.dispose()
      await $.dispose()
    })
  })
}

const page = (at: number): Promise<string> => new Promise((resolve, reject) => {
  get({ port: at, host: '127.0.0.1', agent: false }, (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (piece: string) => { text += piece }).on('end', () => { resolve(text) }).on('error', reject)
  }).on('error', reject)
})
