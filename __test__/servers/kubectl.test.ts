/** The private cluster is what the other suites believe in: here the real kubectl says whether it behaves as one. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Cluster, type Credentials } from '../support/kube'
import { Kubectl } from '../support/kubectl'
import { freePort } from '../support/ports'

const SITE = (port: number): string[] => ['sh', '-c', `mkdir /www; echo page of $HOSTNAME > /www/index.html; exec httpd -f -p 127.0.0.1:${port} -h /www`]
const TALKER = ['sh', '-c', 'for i in 1 2 3; do echo line $i; done; echo last; exec sleep 36000']

describe.each(['v5', 'v4'] as const)('kubectl on a private cluster in %s mode', (streaming) => {
  let cluster: Cluster
  let kubectl: Kubectl
  let port: number
  const folder = mkdtempSync(join(tmpdir(), 'xec-kubectl-'))

  beforeAll(async () => {
    cluster = await Cluster.start({ streaming })
    port = await freePort()
    await cluster.pod({ name: 'web', labels: { app: 'web' }, containers: [{ name: 'main', command: TALKER }, { name: 'side' }] })
    await cluster.pod({ name: 'site', labels: { app: 'site' }, command: SITE(port) })
    cluster.service({ name: 'site', selector: { app: 'site' }, ports: [{ name: 'http', port: 80, targetPort: port }] })
    kubectl = new Kubectl(cluster.kubeconfig())
  })

  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true })
    const { runtime } = cluster
    await cluster.stop()
    expect(existsSync(cluster.folder)).toBe(false)
    expect(existsSync(runtime.folder)).toBe(false)
  })

  const exec = (command: string, ...flags: string[]) => ['exec', ...flags, 'web', '-c', 'side', '--', 'sh', '-c', command]

  it('gives an exit code and separate streams', async () => {
    await expect(kubectl.run(exec('echo out; echo err >&2; exit 7')))
      .resolves.toMatchObject({ code: 7, stdout: 'out\n', stderr: expect.stringContaining('err\n') as unknown })
  })

  it('passes stdin on, and its end', async () => {
    const input = randomBytes(300_000).toString('hex')
    await expect(kubectl.run(exec('cat', '-i'), { input })).resolves.toEqual({ code: 0, stdout: input, stderr: '' })
  })

  it('gives a terminal', async () => {
    const line = `kubectl ${exec('tty; exit 3', '-it').map((word) => `'${word}'`).join(' ')}`
    const outcome = await kubectl.run(['-qec', line, '/dev/null'], { program: 'script', openInput: true })
    expect(outcome).toMatchObject({ code: 3, stdout: expect.stringContaining('/dev/pts/') as unknown })
  })

  it('copies both ways', async () => {
    const [sent, back] = [join(folder, 'sent'), join(folder, 'back')]
    writeFileSync(sent, randomBytes(3_000_000))
    expect((await kubectl.run(['cp', sent, 'web:/tmp/file', '-c', 'side'])).code).toBe(0)
    expect((await kubectl.run(['cp', 'web:/tmp/file', back, '-c', 'side'])).code).toBe(0)
    expect(readFileSync(back).equals(readFileSync(sent))).toBe(true)
  })

  it('shows logs, their end, and follows them', async () => {
    await expect(kubectl.run(['logs', 'web', '-c', 'main'])).resolves.toMatchObject({ code: 0, stdout: 'line 1\nline 2\nline 3\nlast\n' })
    await expect(kubectl.run(['logs', 'web', '-c', 'main', '--tail', '2'])).resolves.toMatchObject({ stdout: 'line 3\nlast\n' })
    await cluster.pod({ name: 'short', command: ['sh', '-c', 'echo one; sleep 1; echo two'] })
    await expect(kubectl.run(['logs', '-f', 'short'])).resolves.toMatchObject({ code: 0, stdout: 'one\ntwo\n' })
    await cluster.pods.remove('default', 'short')
  })

  it('shows what a container said before it was restarted', async () => {
    await cluster.pod({ name: 'again', command: ['sh', '-c', 'echo $(ls /tmp | wc -l) started; exec sleep 36000'] })
    const refused = await kubectl.run(['logs', 'again', '--previous'])
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('previous terminated container "main"') as unknown })
    await cluster.pods.restart('default', 'again', 'main')
    await expect(kubectl.run(['logs', 'again', '--previous'])).resolves.toMatchObject({ code: 0, stdout: '0 started\n' })
    await cluster.pods.remove('default', 'again')
  })

  it.each(['pod/site', 'service/site'])('forwards a port to %s', async (what) => {
    const listening = gate()
    let local = 0
    const forward = kubectl.follow(['port-forward', what, `:${what.startsWith('service') ? 80 : port}`], (line) => {
      const [, announced] = /^Forwarding from 127\.0\.0\.1:(\d+)/.exec(line) ?? []
      if (announced === undefined) return
      local = Number(announced)
      listening.open()
    })
    await listening.opened
    expect(await page(local)).toMatch(/^page of/)
    forward.end()
    await forward.ended
  })

  it('lists by label and deletes', async () => {
    await cluster.pod({ name: 'extra', labels: { app: 'extra' } })
    await expect(kubectl.run(['get', 'pods', '-l', 'app in (web, extra)', '-o', 'name'])).resolves.toMatchObject({ stdout: 'pod/web\npod/extra\n' })
    const ready = ['get', 'pod', 'extra', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].status}']
    await expect(kubectl.run(ready)).resolves.toMatchObject({ stdout: 'True' })
    expect((await kubectl.run(['delete', 'pod', 'extra', '--now'])).code).toBe(0)
    expect((await kubectl.run(ready)).stderr).toContain('pods "extra" not found')
  })

  it.each<Credentials>(['certificate', 'certificate-files', 'token', 'token-file', 'exec'])('knows its user by %s', async (by) => {
    const viewer = new Kubectl(cluster.kubeconfig({ user: 'viewer', by }))
    cluster.access.allow({ user: 'viewer', verbs: ['get', 'list'], resources: ['pods'] })
    await expect(viewer.run(['get', 'pods', '-o', 'name'])).resolves.toMatchObject({ code: 0 })
    const refused = await viewer.run(exec('true'))
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toMatch(/pods "web" is forbidden: User "viewer" cannot (create|get) resource "pods\/exec" in API group "" in the namespace "default"/)
  })

  it('does not know somebody whose token was revoked', async () => {
    const tokenFile = cluster.tokenFile()
    const someone = new Kubectl(cluster.kubeconfig({ by: 'token-file', tokenFile }))
    expect((await someone.run(['get', 'pods'])).code).toBe(0)
    cluster.access.revoke(readFileSync(tokenFile, 'utf8'))
    expect((await someone.run(['get', 'pods'])).stderr).toMatch(/Unauthorized|logged in/)
  })

  it('lives on when its runtime was killed and has come back', async () => {
    const started = gate()
    const lost = kubectl.follow(exec('echo started; exec sleep 1000'), () => { started.open() })
    await started.opened
    await cluster.runtime.kill()
    await lost.ended
    expect((await kubectl.run(exec('true'))).stderr).toContain('error dialing backend')
    await cluster.runtime.resume()
    await expect(kubectl.run(exec('echo back'))).resolves.toMatchObject({ code: 0, stdout: 'back\n' })
  })
})

describe('the WebSocket of a private cluster', () => {
  let cluster: Cluster

  beforeAll(async () => {
    cluster = await Cluster.start()
    await cluster.pod({ name: 'web' })
  })

  beforeEach(() => { cluster.api.streaming = 'v5' })

  afterAll(() => cluster.stop())

  const open = (protocols: string[]): WebSocket => new WebSocket(
    `${cluster.api.url.replace('https', 'wss')}/api/v1/namespaces/default/pods/web/exec?command=cat&stdin=1&stdout=1&stderr=1`, protocols,
    { ca: cluster.ca, headers: { authorization: `Bearer ${cluster.token()}` } },
  )

  it('lets v5 end stdin', async () => {
    const socket = open(['v5.channel.k8s.io', 'v4.channel.k8s.io'])
    const messages: Buffer[] = []
    socket.on('message', (data: Buffer) => { messages.push(data) })
    socket.once('open', () => {
      socket.send(Buffer.from('\0hello'))
      socket.send(Buffer.from([255, 0]))
    })
    const code = await new Promise<number>((resolve) => { socket.once('close', resolve) })
    expect(socket.protocol).toBe('v5.channel.k8s.io')
    expect(code).toBe(1000)
    expect(messages.map((message) => message[0])).toEqual([1, 3])
    expect(messages[0]?.subarray(1).toString()).toBe('hello')
    expect(JSON.parse(messages[1]?.subarray(1).toString() ?? '')).toMatchObject({ status: 'Success' })
  })

  it('chooses v4 on an old server, which refuses v5 alone', async () => {
    cluster.api.streaming = 'v4'
    const old = open(['v5.channel.k8s.io', 'v4.channel.k8s.io'])
    await new Promise((resolve) => { old.once('open', resolve) })
    expect(old.protocol).toBe('v4.channel.k8s.io')
    old.terminate()
    const refused = open(['v5.channel.k8s.io'])
    await expect(new Promise((resolve, reject) => { refused.once('open', resolve).once('error', reject) })).rejects.toThrow('403')
  })
})

function gate(): { open: () => void, opened: Promise<void> } {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => { open = resolve })
  return { open, opened }
}

const page = (port: number): Promise<string> => new Promise((resolve, reject) => {
  get({ port, host: '127.0.0.1', agent: false }, (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (piece: string) => { text += piece }).on('end', () => { resolve(text) })
  }).on('error', reject)
})
