// A private cluster to test against: a real containerd as the node, an API server of ours before it. It starts in a second, needs no
// network but loopback, and leaves nothing.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Access } from './access.mjs'
import { ApiServer } from './api-server.mjs'
import { Containerd } from './containerd.mjs'
import { BARE_IMAGE, IMAGE } from './image.mjs'
import { writeKubeconfig, writePlugin } from './kubeconfig.mjs'
import { Authority } from './pki.mjs'
import { Pods } from './pods.mjs'
import { Store } from './store.mjs'

export { writeKubeconfig }

const ADMINS = ['system:masters']

export class Cluster {
  image = IMAGE
  bareImage = BARE_IMAGE
  access = new Access()
  store = new Store()
  #authority
  #certificates = new Map()
  #files = 0

  /** `streaming`: 'v5' as today's API servers, 'v4' as those before 1.30. `runtime`: another cluster's, to share its containerd. */
  static async start({ streaming = 'v5', runtime } = {}) {
    const cluster = new Cluster(runtime ?? await Containerd.start(), runtime === undefined)
    try {
      await cluster.#serve(streaming)
    } catch (error) {
      await cluster.stop()
      throw error
    }
    return cluster
  }

  constructor(runtime, isOurs) {
    this.runtime = runtime
    this.runtimeIsOurs = isOurs
    this.folder = mkdtempSync(path.join(tmpdir(), 'xec-kube-'))
    this.pods = new Pods(this.store, runtime)
    for (const name of ['default', 'kube-system']) this.namespace(name)
  }

  async #serve(streaming) {
    this.#authority = new Authority(path.join(this.folder, 'pki'))
    const { key, cert } = this.#authority.issue('server', { commonName: 'kube-apiserver' })
    this.api = new ApiServer(this, { key, cert, ca: this.#authority.pem }, streaming)
    await this.api.resume()
  }

  get ca() {
    return this.#authority.pem
  }

  get caFile() {
    return this.#authority.file
  }

  /** A pod of one container named main, or of `containers`, running when it resolves. */
  pod({ name, namespace = 'default', labels, annotations, containers, ...main }) {
    return this.pods.create({ metadata: { name, namespace, labels, annotations }, spec: { containers: containers ?? [{ name: 'main', ...main }] } })
  }

  namespace(name) {
    return this.store.add('namespaces', { metadata: { name }, status: { phase: 'Active' } })
  }

  service({ name, namespace = 'default', selector, ports }) {
    return this.store.add('services', { metadata: { name, namespace }, spec: { type: 'ClusterIP', clusterIP: '10.0.0.10', selector, ports: ports.map((port) => ({ protocol: 'TCP', ...port })) } })
  }

  /** Its pods are the test's business: those whose labels match. */
  deployment({ name, namespace = 'default', labels }) {
    return this.store.add('deployments', { metadata: { name, namespace }, spec: { replicas: 1, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [] } } }, status: { readyReplicas: 1 } })
  }

  /** A client certificate, made once per user. */
  certificate(user = 'admin', groups = user === 'admin' ? ADMINS : []) {
    if (!this.#certificates.has(user)) this.#certificates.set(user, this.#authority.issue(`user-${user}`, { commonName: user, groups }))
    return this.#certificates.get(user)
  }

  token(user = 'admin', groups = user === 'admin' ? ADMINS : []) {
    return this.access.issueToken(user, groups)
  }

  /**
   * A kubeconfig's path. `by`: 'certificate', 'certificate-files', 'token', 'token-file' or 'exec' (a credential plugin); the last two read
   * `tokenFile`, which a test may write anew.
   */
  kubeconfig(options = {}) {
    return writeKubeconfig(this.#newFile('kubeconfig'), [this.context(options)])
  }

  /** One entry of a kubeconfig, for files with several. */
  context({ name = 'test', user = 'admin', groups, by = 'certificate', namespace, tokenFile } = {}) {
    return { name, url: this.api.url, ca: this.ca, namespace, user: this.#credentials(by, user, groups, tokenFile) }
  }

  /** Where the file of a token is that 'token-file' and 'exec' read. */
  tokenFile(user = 'admin', groups = undefined) {
    const file = this.#newFile('token')
    writeFileSync(file, this.token(user, groups), { mode: 0o600 })
    return file
  }

  /** The files of a pod's service account: what a client inside of the cluster is given. */
  serviceAccount({ user = 'system:serviceaccount:default:default', groups, namespace = 'default' } = {}) {
    const folder = this.#newFile('serviceaccount')
    mkdirSync(folder)
    writeFileSync(path.join(folder, 'token'), this.token(user, groups))
    writeFileSync(path.join(folder, 'ca.crt'), this.ca)
    writeFileSync(path.join(folder, 'namespace'), namespace)
    return folder
  }

  async stop() {
    try {
      await this.api?.kill()
      if (!this.runtimeIsOurs) for (const { metadata } of this.store.list('pods')) await this.pods.remove(metadata.namespace, metadata.name)
    } finally {
      if (this.runtimeIsOurs) await this.runtime.stop()
      rmSync(this.folder, { recursive: true, force: true })
    }
  }

  #credentials(by, user, groups, tokenFile) {
    if (by === 'certificate') return { certificate: this.certificate(user, groups) }
    if (by === 'certificate-files') return { certificateFiles: this.certificate(user, groups) }
    if (by === 'token') return { token: this.token(user, groups) }
    const file = tokenFile ?? this.tokenFile(user, groups)
    if (by === 'token-file') return { tokenFile: file }
    return { exec: writePlugin(path.dirname(file), file) }
  }

  #newFile(kind) {
    this.#files += 1
    return path.join(this.folder, `${kind}-${this.#files}`)
  }
}
