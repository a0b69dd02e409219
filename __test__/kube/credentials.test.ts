/** Who we are, by every way to say so, and how we get there. */
import { chmodSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { createServer } from 'node:tls'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { failureOf } from '../support/failure'
import { Cluster } from '../support/kube'
import { KubernetesConnectionPool } from '../support/native'
import { HttpProxy, type Proxy, Socks5Proxy } from '../support/proxies'
import { type Ended, runProgram } from '../support/run-script'

let cluster: Cluster
let pool: KubernetesConnectionPool
let files = 0

beforeAll(async () => {
  cluster = await Cluster.start()
  await cluster.pod({ name: 'web' })
})
afterAll(async () => { await cluster.stop() })
beforeEach(() => { pool = new KubernetesConnectionPool() })
afterEach(async () => { await pool.dispose() })

interface Kubeconfig { clusters: [{ cluster: Record<string, unknown> }], users: [{ user: Record<string, unknown> }] }

/** A kubeconfig with something changed in it. */
function changed(change: (config: Kubeconfig) => void, file = cluster.kubeconfig()): string {
  const config = JSON.parse(readFileSync(file, 'utf8')) as Kubeconfig
  change(config)
  const copy = path.join(cluster.folder, `changed-${files += 1}`)
  writeFileSync(copy, JSON.stringify(config))
  return copy
}

/** A plugin that counts its calls and prints what a file holds at that time. */
function plugin(): { kubeconfig: string, says: (status: object) => void, calls: () => number } {
  const at = path.join(cluster.folder, `plugin-${files += 1}`)
  writeFileSync(at, `#!/bin/sh\necho call >> '${at}.calls'\ncat '${at}.status'\n`)
  chmodSync(at, 0o755)
  const apiVersion = 'client.authentication.k8s.io/v1'
  return {
    kubeconfig: changed((config) => { config.users[0].user = { exec: { apiVersion, command: at, interactiveMode: 'Never' } } }),
    says: (status) => { writeFileSync(`${at}.status`, JSON.stringify({ apiVersion, kind: 'ExecCredential', status })) },
    calls: () => readFileSync(`${at}.calls`, 'utf8').split('\n').length - 1,
  }
}

describe('a token file that rotates', () => {
  test('is read again once the server knows the old token no more', async () => {
    const tokenFile = cluster.tokenFile()
    const context = pool.createContext({ kubeconfig: cluster.kubeconfig({ by: 'token-file', tokenFile }) })
    expect(await context.exec('web', 'echo first')).toMatchObject({ stdout: 'first\n' })
    const old = readFileSync(tokenFile, 'utf8')
    writeFileSync(tokenFile, cluster.token())
    // As real ones do, both are valid for a while.
    expect(await context.exec('web', 'echo both')).toMatchObject({ stdout: 'both\n' })
    cluster.access.revoke(old)
    // Nothing has run: whoever wants may ask again, as whom the file says by now.
    expect(await failureOf(context.exec('web', 'true'))).toMatchObject({ code: 'EUNAUTHORIZED', kind: 'authentication', reached: false })
    expect(await context.exec('web', 'echo second')).toMatchObject({ stdout: 'second\n' })
    expect(pool.getStats().totalConnections).toBe(1)
  })

  test('that is gone is told by its name, and never by what it held', async () => {
    const kubeconfig = changed((config) => { config.users[0].user = { tokenFile: path.join(cluster.folder, 'no-token') } })
    const failure = await failureOf(pool.createContext({ kubeconfig }).exec('web', 'true'))
    expect(failure).toMatchObject({ kind: 'authentication', reached: false })
    expect(failure.message).toContain('no-token')
  })
})

describe('a credential plugin', () => {
  test('is asked for a client, not for each command, and again when its token is refused', async () => {
    const { kubeconfig, says, calls } = plugin()
    const token = cluster.token()
    says({ token })
    const context = pool.createContext({ kubeconfig })
    expect(await context.exec('web', 'echo in')).toMatchObject({ stdout: 'in\n' })
    // kube asks it for a certificate, and for a token.
    const once = calls()
    expect(once).toBeLessThanOrEqual(2)
    for (const word of ['a', 'b', 'c']) expect(await context.exec('web', ['echo', word])).toMatchObject({ stdout: `${word}\n` })
    expect(calls()).toBe(once)
    cluster.access.revoke(token)
    says({ token: cluster.token() })
    expect(await failureOf(context.exec('web', 'true'))).toMatchObject({ code: 'EUNAUTHORIZED' })
    expect(await context.exec('web', 'echo known')).toMatchObject({ stdout: 'known\n' })
    expect(calls()).toBe(2 * once)
  })

  test('is asked again when its token runs out', async () => {
    const { kubeconfig, says, calls } = plugin()
    says({ token: cluster.token(), expirationTimestamp: new Date(Date.now() + 1_000).toISOString() })
    const context = pool.createContext({ kubeconfig })
    expect(await context.exec('web', 'echo first')).toMatchObject({ stdout: 'first\n' })
    const before = calls()
    says({ token: cluster.token(), expirationTimestamp: new Date(Date.now() + 3_600_000).toISOString() })
    expect(await context.exec('web', 'echo second')).toMatchObject({ stdout: 'second\n' })
    const after = calls()
    expect(after).toBeGreaterThanOrEqual(before)
    expect(after).toBeGreaterThan(1)
    expect(await context.exec('web', 'echo third')).toMatchObject({ stdout: 'third\n' })
    expect(calls()).toBe(after)
  })

  test('may give a certificate', async () => {
    const { kubeconfig, says } = plugin()
    const { cert, key } = cluster.certificate()
    says({ clientCertificateData: cert.toString(), clientKeyData: key.toString() })
    expect(await pool.createContext({ kubeconfig }).exec('web', 'echo certified')).toMatchObject({ stdout: 'certified\n' })
  })

  test('that is not there is told', async () => {
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: path.join(cluster.folder, 'no-plugin'), interactiveMode: 'Never' }
    const context = pool.createContext({ kubeconfig: changed((config) => { config.users[0].user = { exec } }) })
    expect(await failureOf(context.exec('web', 'true'))).toMatchObject({ code: 'ECREDENTIALS', kind: 'authentication', reached: false })
  })
})

describe('a proxy', () => {
  const through = (url: string): string => changed((config) => { config.clusters[0].cluster['proxy-url'] = url })
  const login = { username: 'me', password: 'p w' }

  async function using<T>(proxy: Proxy, work: () => Promise<T>): Promise<T> {
    await proxy.start()
    try {
      return await work()
    } finally {
      await proxy.stop()
    }
  }

  test.each([
    ['http', HttpProxy, undefined], ['http', HttpProxy, login], ['socks5', Socks5Proxy, undefined],
  ] as const)('%s is gone through, for everything', async (scheme, Kind, as) => {
    const proxy = new Kind(as)
    await using(proxy, async () => {
      const user = as === undefined ? '' : `${as.username}:${encodeURIComponent(as.password)}@`
      const context = pool.createContext({ kubeconfig: through(`${scheme}://${user}127.0.0.1:${proxy.port}`) })
      expect(await context.exec('web', 'cat', { stdin: 'through' })).toMatchObject({ stdout: 'through' })
      expect((await context.listPods()).map(({ name }) => name)).toEqual(['web'])
      expect(proxy.asked.length).toBeGreaterThan(0)
      expect(proxy.asked.every(({ port }) => port === cluster.api.port)).toBe(true)
      await pool.closeAll()
    })
  })

  test('may itself be spoken to over TLS', async () => {
    const proxy = new HttpProxy()
    await using(proxy, async () => {
      const { key, cert } = cluster.certificate('proxy', [])
      const tls = createServer({ key, cert }, (socket) => {
        const inner = connect(proxy.port, '127.0.0.1')
        socket.on('error', () => undefined).pipe(inner).on('error', () => undefined).pipe(socket)
      })
      await new Promise<void>((resolve) => { tls.listen(0, '127.0.0.1', resolve) })
      try {
        const { port } = tls.address() as { port: number }
        const context = pool.createContext({ kubeconfig: through(`https://127.0.0.1:${port}`) })
        expect(await context.exec('web', 'echo in')).toMatchObject({ stdout: 'in\n' })
        expect(proxy.asked.length).toBeGreaterThan(0)
        await pool.closeAll()
      } finally {
        tls.close()
      }
    })
  })

  test('that is not there, wants another password or leads nowhere is told as such, without the password', async () => {
    const nobody = pool.createContext({ kubeconfig: through('http://127.0.0.1:1') })
    expect(await failureOf(nobody.exec('web', 'true'))).toMatchObject({ kind: 'connection-refused', reached: false })
    const proxy = new HttpProxy(login)
    await using(proxy, async () => {
      const stranger = pool.createContext({ kubeconfig: through(`http://me:wrong-secret@127.0.0.1:${proxy.port}`) })
      const failure = await failureOf(stranger.exec('web', 'true'))
      expect(failure).toMatchObject({ reached: false })
      expect(`${failure.message} ${String(failure.cause)}`).not.toContain('wrong-secret')
    })
    const odd = pool.createContext({ kubeconfig: through('ftp://127.0.0.1:1') })
    expect(await failureOf(odd.exec('web', 'true'))).toMatchObject({ code: 'EKUBECONFIG' })
  })

  test('of the environment is gone through, unless the cluster is excepted from it', async () => {
    const proxy = new HttpProxy()
    await using(proxy, async () => {
      const env = { KUBECONFIG: cluster.kubeconfig(), HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` }
      expect(await inProcess(env)).toMatchObject({ code: 0, stdout: 'default in\n' })
      const asked = proxy.asked.length
      expect(asked).toBeGreaterThan(0)
      expect(await inProcess({ ...env, NO_PROXY: '127.0.0.0/8' })).toMatchObject({ code: 0, stdout: 'default in\n' })
      expect(proxy.asked.length).toBe(asked)
    })
  })
})

const INDEX = pathToFileURL(path.join(import.meta.dirname, '../../index.mjs')).href

/** A program that knows nothing but its surroundings. */
const PROGRAM = `
import { KubernetesConnectionPool } from ${JSON.stringify(INDEX)}
const pool = new KubernetesConnectionPool()
try {
  const { stdout } = await pool.exec('web', 'echo in')
  process.stdout.write(pool.context.namespace + ' ' + stdout)
} catch (error) {
  process.stdout.write(error.code + ' ' + error.kind + ' ' + error.message)
  process.exitCode = 1
} finally {
  await pool.dispose()
}`

const NO_SURROUNDINGS = { KUBECONFIG: '', HTTPS_PROXY: '', https_proxy: '', NO_PROXY: '', no_proxy: '' }

const inProcess = (env: Record<string, string>): Promise<Ended> =>
  runProgram(process.execPath, ['--input-type=module', '-e', PROGRAM], { ...NO_SURROUNDINGS, HOME: cluster.folder, ...env })

describe('inside of a pod', () => {
  /** Files of a service account where every pod has them, for this one program only. */
  const IN_POD = 'mount -t tmpfs none /run && mkdir -p /run/secrets/kubernetes.io && ln -s "$1" /run/secrets/kubernetes.io/serviceaccount && shift && exec "$@"'

  function inPod(account: string, env: Record<string, string>): Promise<Ended> {
    const program = [process.execPath, '--input-type=module', '-e', PROGRAM]
    return runProgram('unshare', ['--mount', 'sh', '-c', IN_POD, 'sh', account, ...program], { ...NO_SURROUNDINGS, HOME: cluster.folder, ...env })
  }

  const SERVER = (): Record<string, string> => ({ KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(cluster.api.port) })

  test('the service account is who we are, and its namespace where', async () => {
    const user = 'system:serviceaccount:default:robot'
    cluster.access.allow({ user, verbs: ['get', 'create'], resources: ['pods', 'pods/exec'] })
    const account = cluster.serviceAccount({ user })
    expect(await inPod(account, SERVER())).toMatchObject({ stdout: 'default in\n', code: 0 })
    expect(cluster.api.requests.some((request) => request.user === user && request.url.includes('/exec'))).toBe(true)
    // As kubelets replace them: links to a new folder.
    const next = cluster.serviceAccount({ user, namespace: 'kube-system' })
    const link = path.join(cluster.folder, 'account')
    symlinkSync(next, link)
    expect((await inPod(link, SERVER())).stdout).toMatch(/^ENOPOD not-found /)
  })

  test('one that may nothing is told what it may not', async () => {
    const account = cluster.serviceAccount({ user: 'system:serviceaccount:default:nobody' })
    const { stdout } = await inPod(account, SERVER())
    expect(stdout).toMatch(/^EFORBIDDEN permission-denied .*"system:serviceaccount:default:nobody" cannot \w+ resource "pods\/exec"/)
  })

  test('a kubeconfig wins, and without either there is no cluster', async () => {
    const account = cluster.serviceAccount({ user: 'system:serviceaccount:default:nobody' })
    expect(await inPod(account, { ...SERVER(), KUBECONFIG: cluster.kubeconfig() })).toMatchObject({ stdout: 'default in\n' })
    expect((await inProcess({})).stdout).toMatch(/^EKUBECONFIG not-found /)
  })
})
