// A real Kubernetes of one node on loopback: etcd, kube-apiserver and kubelet over a containerd of our own. No scheduler and no network:
// pods name their node and use its network.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Containerd } from '../kube/containerd.mjs'
import { BARE_IMAGE, IMAGE } from '../kube/image.mjs'
import { writeKubeconfig } from '../kube/kubeconfig.mjs'
import { Authority } from '../kube/pki.mjs'
import { freePort } from '../kube/ports.mjs'
import { find } from '../programs.mjs'
import { must } from '../run.mjs'
import { done, elapsed, step } from '../terminal.mjs'
import { Child } from './child.mjs'
import { serveControl } from './control.mjs'

/** package → a program that proves it is installed */
export const REAL_CLUSTER = {
  'etcd-server': 'etcd', 'docker.io': 'containerd', runc: 'runc', 'busybox-static': 'busybox', openssl: 'openssl', 'kubernetes-client': 'kubectl', iptables: 'iptables',
}
export const BUILD_TOOLS = { 'golang-go': 'go', rsync: 'rsync', make: 'make', gcc: 'gcc', 'libc6-dev': '/usr/include/stdlib.h', 'dpkg-dev': 'dpkg-source' }

const BUILD = fileURLToPath(new URL('./build.sh', import.meta.url))

const TELL_EVERY = 60_000

/** The kubelet raises them; they are put back. */
const SYSCTLS = ['vm.overcommit_memory', 'kernel.panic', 'kernel.panic_on_oops']

/** Where the built programs are kept: outside of the repository, and another place for another recipe. */
export function buildFolder() {
  const recipe = createHash('sha256').update(readFileSync(BUILD)).digest('hex').slice(0, 12)
  return path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'xec-native', `kubernetes-1.20.2-${recipe}`)
}

export const isBuilt = () => ['kube-apiserver', 'kubelet'].every((name) => existsSync(path.join(buildFolder(), 'bin', name)))

/** Builds them where they are missing. The compiler is silent for minutes, so that it is at work must be told. */
export async function build() {
  const start = performance.now()
  const telling = setInterval(() => { step(`still building Kubernetes, for ${elapsed(performance.now() - start)} …`) }, TELL_EVERY).unref()
  try {
    await must('bash', [BUILD, buildFolder()], { env: { DEBIAN_FRONTEND: 'noninteractive' } })
  } finally {
    clearInterval(telling)
  }
  done(`Kubernetes is built (${elapsed(performance.now() - start)})`)
}

export class RealCluster {
  image = IMAGE
  bareImage = BARE_IMAGE
  node = 'localhost'
  #folder = mkdtempSync(path.join(tmpdir(), 'xec-cluster-'))
  #children = []
  /** What can be killed and started again. */
  #parts = {}
  #control
  #runtime
  #sysctls

  static async start() {
    const cluster = new RealCluster()
    try {
      await cluster.#start()
    } catch (error) {
      await cluster.stop()
      throw error
    }
    return cluster
  }

  /** A socket by which another process, a test, kills the cluster's parts and starts them again. */
  get control() {
    return this.#at('control')
  }

  async stop() {
    this.#control?.close()
    for (const part of Object.values(this.#parts)) await part.resume()
    if (this.kubeconfig !== undefined) this.#kubectl('delete', 'pod', '--all', '--all-namespaces', '--grace-period=0', '--force', '--wait=false')
    for (const child of this.#children.reverse()) await child.end()
    await this.#runtime?.stop()
    this.#unmount()
    for (const [name, value] of Object.entries(this.#sysctls ?? {})) execFileSync('sysctl', ['-qw', `${name}=${value}`])
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #start() {
    const [apiPort, etcdPort, peerPort, kubeletPort] = [await freePort(), await freePort(), await freePort(), await freePort()]
    this.url = `https://127.0.0.1:${apiPort}`
    this.#sysctls = Object.fromEntries(SYSCTLS.map((name) => [name, execFileSync('sysctl', ['-n', name], { encoding: 'utf8' }).trim()]))
    const keys = this.#keys()
    this.#runtime = await Containerd.start()
    this.#parts['the runtime'] = this.#runtime
    this.#etcd(etcdPort, peerPort)
    await this.#apiServer(apiPort, etcdPort, keys)
    this.kubeconfig = writeKubeconfig(this.#at('admin.kubeconfig'), [{ name: 'real', url: this.url, ca: keys.ca.pem, user: { certificate: keys.admin } }])
    await this.#kubelet(kubeletPort, keys)
    this.#control = await serveControl(this.#at('control'), this.#parts)
  }

  #keys() {
    const ca = new Authority(this.#at('pki'))
    execFileSync(find('openssl'), ['genrsa', '-out', this.#at('sa.key'), '2048'], { stdio: 'ignore' })
    return {
      ca,
      server: ca.issue('apiserver', { commonName: 'kube-apiserver' }),
      admin: ca.issue('admin', { groups: ['system:masters'] }),
      node: ca.issue('kubelet', { commonName: `system:node:${this.node}`, groups: ['system:nodes'] }),
    }
  }

  #etcd(port, peerPort) {
    const [url, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peerPort}`]
    this.#run('etcd', [
      '--data-dir', this.#at('etcd'), '--listen-client-urls', url, '--advertise-client-urls', url, '--listen-peer-urls', peer,
      '--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`, '--unsafe-no-fsync',
    ])
  }

  async #apiServer(port, etcdPort, { ca, server, admin }) {
    const ready = () => this.#answers(`${this.url}/readyz`, { ca, admin })
    const child = this.#run(path.join(buildFolder(), 'bin/kube-apiserver'), [
      `--etcd-servers=http://127.0.0.1:${etcdPort}`, '--bind-address=127.0.0.1', '--advertise-address=127.0.0.1', `--secure-port=${port}`,
      '--insecure-port=0', `--tls-cert-file=${server.certFile}`, `--tls-private-key-file=${server.keyFile}`, `--client-ca-file=${ca.file}`,
      '--service-account-issuer=https://kubernetes', `--service-account-signing-key-file=${this.#at('sa.key')}`,
      `--service-account-key-file=${this.#at('sa.key')}`, '--authorization-mode=Node,RBAC', '--disable-admission-plugins=ServiceAccount',
      '--kubelet-preferred-address-types=Hostname', `--kubelet-client-certificate=${admin.certFile}`, `--kubelet-client-key=${admin.keyFile}`,
      '--service-cluster-ip-range=10.0.0.0/24', '--watch-cache=false', `--cert-dir=${this.#at('apiserver')}`,
    ], {}, ready)
    this.#parts['the API server'] = child
    await child.answers()
  }

  async #kubelet(port, { ca, server, node, admin }) {
    const kubeconfig = writeKubeconfig(this.#at('kubelet.kubeconfig'), [{ name: 'node', url: this.url, ca: ca.pem, user: { certificateFiles: node } }])
    mkdirSync(this.#at('kubelet'))
    const config = this.#at('kubelet.json')
    writeFileSync(config, JSON.stringify(this.#kubeletConfig(port, ca, server)))
    const ready = () => this.#answers(`https://127.0.0.1:${port}/healthz`, { ca, admin })
    const child = this.#run(path.join(buildFolder(), 'bin/kubelet'), [
      `--config=${config}`, `--root-dir=${this.#at('kubelet')}`, `--kubeconfig=${kubeconfig}`, '--container-runtime=remote',
      `--container-runtime-endpoint=unix://${this.#runtime.socketPath}`, `--hostname-override=${this.node}`, `--cert-dir=${this.#at('pki')}`,
      '--register-node=true',
    ], { AWS_EC2_METADATA_DISABLED: 'true', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' }, ready)
    this.#parts['the kubelet'] = child
    await child.until('its node is registered', async () => this.#kubectl('get', 'node', this.node) === 0)
  }

  #kubeletConfig(port, ca, server) {
    return {
      apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration', address: '127.0.0.1', port, readOnlyPort: 0, healthzPort: 0,
      authentication: { anonymous: { enabled: false }, webhook: { enabled: false }, x509: { clientCAFile: ca.file } },
      authorization: { mode: 'AlwaysAllow' }, tlsCertFile: server.certFile, tlsPrivateKeyFile: server.keyFile,
      cgroupDriver: 'cgroupfs', cgroupsPerQOS: false, enforceNodeAllocatable: [], failSwapOn: false, maxOpenFiles: 20_000, oomScoreAdj: 0,
      makeIPTablesUtilChains: false, imageGCHighThresholdPercent: 100, resolvConf: '/etc/resolv.conf', volumeStatsAggPeriod: '0s', syncFrequency: '5s',
      evictionHard: { 'memory.available': '0%', 'nodefs.available': '0%', 'imagefs.available': '0%', 'nodefs.inodesFree': '0%' },
    }
  }

  #at(name) {
    return path.join(this.#folder, name)
  }

  #run(program, args, env, ready) {
    const child = new Child(program.startsWith('/') ? program : find(program), args, env, ready)
    this.#children.push(child)
    return child
  }

  #kubectl(...args) {
    try {
      execFileSync(find('kubectl'), ['--kubeconfig', this.kubeconfig, ...args], { stdio: 'ignore', timeout: 30_000 })
      return 0
    } catch (error) {
      return error.status ?? 1
    }
  }

  #answers(url, { ca, admin: { cert, key } }) {
    return new Promise((resolve) => {
      request(url, { ca: ca.pem, cert, key, agent: false, timeout: 5_000 }, (response) => {
        response.resume()
        resolve(response.statusCode === 200)
      }).on('error', () => resolve(false)).end()
    })
  }

  /** What the kubelet left mounted would otherwise be removed through the mount. */
  #unmount() {
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n').map((line) => line.split(' ')[1] ?? '')
    for (const mount of mounts.filter((at) => at.startsWith(`${this.#folder}/`)).reverse()) execFileSync('umount', ['-l', mount])
  }
}
