/**
 * A real cluster: the one that `npm run test:cluster` starts, or the one that KUBECONFIG_LIVE names. A bed is a namespace of it, whose
 * users are service accounts with what real RBAC lets them do. What happens in pods is told by the real kubectl. The cluster that we build
 * speaks `v4.channel.k8s.io` only, as all did before 1.30: the end of stdin is there the engine's own doing, by the container's sh.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Bed, type BedService, type Killable, type Part, type Who, temporaryFolder } from './bed'
import type { ContainerSpec, PodSpec } from './kube'
import { Kubectl } from './kubectl'
import { Relay } from './relay'

const node = process.env['KUBE_LIVE_NODE']
const image = process.env['KUBE_LIVE_IMAGE'] ?? 'busybox:stable'
const bareImage = process.env['KUBE_LIVE_BARE_IMAGE']
const controlSocket = process.env['KUBE_LIVE_CONTROL']

/** Only a cluster of our own can be broken. */
export const canBeKilled = controlSocket !== undefined

const START_LIMIT = 90_000

/** Tells of every other process with its words; \001 ends one. */
const LIST = 'for p in /proc/[0-9]*; do [ ${p#/proc/} = $$ ] || { cat $p/cmdline 2>/dev/null; printf "\\001"; }; done'

interface Config { clusters: { cluster: ClusterEntry }[], users: { user: object }[] }
interface ClusterEntry { 'server': string, 'tls-server-name'?: string }
interface PodStatus { status: { phase: string, containerStatuses?: { ready: boolean, restartCount: number }[] } }

export class LiveBed implements Bed {
  readonly home = `xec-${randomBytes(4).toString('hex')}`
  readonly #folder = temporaryFolder()
  readonly #kubectl: Kubectl
  readonly #namespaces = new Map<string, string>()
  readonly #tokens = new Map<string, string>()
  #relay: Relay | undefined
  #cluster: ClusterEntry | undefined
  #admin: object | undefined
  #files = 0

  static async start(): Promise<LiveBed> {
    const bed = new LiveBed()
    try {
      await bed.#start()
    } catch (error) {
      await bed.stop()
      throw error
    }
    return bed
  }

  private constructor() {
    const kubeconfig = process.env['KUBECONFIG_LIVE'] ?? ''
    if (kubeconfig === '') throw new Error('KUBECONFIG_LIVE does not say which cluster: run "npm run test:cluster"')
    this.#kubectl = new Kubectl(kubeconfig)
  }

  get folder(): string {
    return this.#folder.path
  }

  get bareImage(): string {
    if (bareImage === undefined) throw new Error('KUBE_LIVE_BARE_IMAGE does not say which image has /bin/busybox and nothing else')
    return bareImage
  }

  async #start(): Promise<void> {
    const { clusters: [cluster], users: [user] } = JSON.parse(await this.#ask('config', 'view', '--raw', '--minify', '--flatten', '-o', 'json')) as Config
    if (cluster === undefined || user === undefined) throw new Error('KUBECONFIG_LIVE names no cluster')
    const { hostname, port } = new URL(cluster.cluster.server)
    // In between, so that a test can break what it is connected to.
    this.#relay = await Relay.start({ host: hostname, port: Number(port === '' ? 443 : port) })
    this.#cluster = {
      ...cluster.cluster, 'server': `https://127.0.0.1:${this.#relay.port}`,
      ...(hostname === '127.0.0.1' ? {} : { 'tls-server-name': cluster.cluster['tls-server-name'] ?? hostname }),
    }
    this.#admin = user.user
    await this.#apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: this.home } })
    this.#namespaces.set('default', this.home)
  }

  async pod({ name, namespace = 'default', labels, annotations, containers, ...main }: PodSpec): Promise<void> {
    const within = await this.namespace(namespace)
    await this.#apply({
      apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: within, labels, annotations },
      spec: {
        ...(node === undefined ? {} : { nodeName: node, hostNetwork: true }), automountServiceAccountToken: false, enableServiceLinks: false,
        terminationGracePeriodSeconds: 1, restartPolicy: 'OnFailure', containers: (containers ?? [{ name: 'main', ...main }]).map(container),
      },
    })
    await this.#until(name, within, ({ status: { phase, containerStatuses = [] } }) =>
      phase === 'Succeeded' || (phase === 'Running' && containerStatuses.length > 0 && containerStatuses.every(({ ready }) => ready)))
  }

  async remove(pod: string): Promise<void> {
    await this.#ask('delete', 'pod', pod, '-n', this.home, '--grace-period=1')
  }

  /** Whatever its first process waits for is killed; the kernel protects that one itself. */
  async restart(pod: string): Promise<void> {
    await this.#kubectl.run(['exec', pod, '-n', this.home, '--', 'kill', '-9', '-1'])
    await this.#until(pod, this.home, ({ status: { containerStatuses = [] } }) => containerStatuses.some(({ ready, restartCount }) => ready && restartCount > 0))
  }

  async processes(pod: string): Promise<string[][]> {
    const list = await this.#ask('exec', pod, '-n', this.home, '-c', 'main', '--', 'sh', '-c', LIST)
    return list.split('\x01').map((words) => words.split('\0').filter((word) => word !== '')).filter((words) => words.length > 0)
  }

  async namespace(word: string): Promise<string> {
    const known = this.#namespaces.get(word)
    if (known !== undefined) return known
    const name = `${this.home}-${word}`
    await this.#apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
    this.#namespaces.set(word, name)
    return name
  }

  async service({ name, selector, ports }: BedService): Promise<void> {
    await this.#apply({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: this.home }, spec: { selector, ports } })
  }

  /** Of no pods of its own: the test makes those that it selects. */
  async deployment({ name, labels }: { name: string, labels: Record<string, string> }): Promise<void> {
    const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image }] } }
    await this.#apply({
      apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace: this.home }, spec: { replicas: 0, selector: { matchLabels: labels }, template },
    })
  }

  async kubeconfig({ user = 'admin', name = 'test', namespace = this.home }: Who = {}): Promise<string> {
    const file = join(this.folder, `kubeconfig-${this.#files += 1}`)
    writeFileSync(file, JSON.stringify({
      'apiVersion': 'v1', 'kind': 'Config', 'current-context': name,
      'clusters': [{ name, cluster: this.#cluster }],
      'users': [{ name, user: user === 'admin' ? this.#admin : { token: await this.#token(user) } }],
      'contexts': [{ name, context: { cluster: name, user: name, namespace } }],
    }), { mode: 0o600 })
    return file
  }

  async permit(user: string, verbs: string[], resources: string[]): Promise<void> {
    await this.#token(user)
    const metadata = { name: user, namespace: this.home }
    const api = 'rbac.authorization.k8s.io'
    await this.#apply({ apiVersion: `${api}/v1`, kind: 'Role', metadata, rules: [{ apiGroups: [''], verbs, resources }] })
    await this.#apply({
      apiVersion: `${api}/v1`, kind: 'RoleBinding', metadata, roleRef: { apiGroup: api, kind: 'Role', name: user },
      subjects: [{ kind: 'ServiceAccount', name: user, namespace: this.home }],
    })
  }

  cut(): void {
    this.#relay?.cut()
  }

  part(part: Part): Killable {
    return {
      kill: () => control('kill', part),
      resume: async () => {
        await control('resume', part)
        await this.#worksAgain()
      },
    }
  }

  /** A command runs, by somebody else's account: what was killed needs a while to know its pods again. */
  async #worksAgain(): Promise<void> {
    const [, pod] = (await this.#ask('get', 'pods', '-n', this.home, '-o', 'name')).split(/[/\n]/)
    if (pod === undefined) return
    const deadline = performance.now() + START_LIMIT
    for (;;) {
      const { code, stderr } = await this.#kubectl.run(['exec', pod, '-n', this.home, '--', 'true'])
      if (code === 0) return
      if (performance.now() > deadline) throw new Error(`not within ${START_LIMIT} ms, a command in pod ${pod}: ${stderr}`)
      await delay(200)
    }
  }

  async stop(): Promise<void> {
    await this.#relay?.stop()
    for (const name of this.#namespaces.values()) {
      await this.#kubectl.run(['delete', 'pod', '--all', '-n', name, '--grace-period=0', '--force'])
      await this.#kubectl.run(['delete', 'namespace', name, '--wait=false'])
    }
    this.#folder.remove()
  }

  /** A service account's, by the API server itself. */
  async #token(user: string): Promise<string> {
    const known = this.#tokens.get(user)
    if (known !== undefined) return known
    await this.#apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: user, namespace: this.home } })
    const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3_600 } }
    const file = join(this.folder, 'token-request.json')
    writeFileSync(file, JSON.stringify(request))
    const answer = await this.#ask('create', '--raw', `/api/v1/namespaces/${this.home}/serviceaccounts/${user}/token`, '-f', file)
    const { status: { token } } = JSON.parse(answer) as { status: { token: string } }
    this.#tokens.set(user, token)
    return token
  }

  async #apply(object: object): Promise<void> {
    const { code, stderr } = await this.#kubectl.run(['apply', '-f', '-'], { input: JSON.stringify(object) })
    if (code !== 0) throw new Error(stderr)
  }

  async #ask(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#kubectl.run(args)
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`)
    return stdout
  }

  async #until(pod: string, namespace: string, condition: (pod: PodStatus) => boolean): Promise<void> {
    const deadline = performance.now() + START_LIMIT
    for (;;) {
      const text = await this.#ask('get', 'pod', pod, '-n', namespace, '-o', 'json')
      if (condition(JSON.parse(text) as PodStatus)) return
      if (performance.now() > deadline) throw new Error(`not within ${START_LIMIT} ms, pod ${pod}: ${text}`)
      await delay(100)
    }
  }
}

/** Who started the cluster kills its parts and starts them again. */
async function control(what: 'kill' | 'resume', part: Part): Promise<void> {
  if (!canBeKilled) throw new Error('KUBE_LIVE_CONTROL does not say who can kill parts of the cluster')
  const asking = request({ socketPath: controlSocket, path: `/${what}`, method: 'POST' }).end(part)
  const [answer] = await once(asking, 'response') as [IncomingMessage]
  const said = Buffer.concat(await answer.toArray()).toString()
  if (answer.statusCode !== 200) throw new Error(said)
}

function container({ command = ['sleep', '36000'], ...spec }: ContainerSpec): object {
  return { image, imagePullPolicy: 'IfNotPresent', command, ...spec }
}

/** Where a kubeconfig's only cluster is. */
export const serverOf = (file: string): string => (JSON.parse(readFileSync(file, 'utf8')) as Config).clusters[0]?.cluster.server ?? ''
