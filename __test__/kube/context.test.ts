import { rmSync, writeFileSync } from 'node:fs'
import { delimiter } from 'node:path'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { failureOf } from '../support/failure'
import { Cluster, type Credentials, writeKubeconfig } from '../support/kube'
import { KubernetesConnectionPool } from '../support/native'

let one: Cluster
let two: Cluster
let pool: KubernetesConnectionPool

beforeAll(async () => {
  one = await Cluster.start()
  two = await Cluster.start({ runtime: one.runtime })
  await one.pod({ name: 'web', env: [{ name: 'CLUSTER', value: 'one' }] })
  two.namespace('other')
  await two.pod({ name: 'web', namespace: 'other', env: [{ name: 'CLUSTER', value: 'two' }] })
  pool = new KubernetesConnectionPool()
})

afterAll(async () => {
  await pool.dispose()
  await two.stop()
  await one.stop()
})

test.each<Credentials>(['certificate', 'certificate-files', 'token', 'token-file', 'exec'])('who we are is said by %s', async (by) => {
  const context = pool.createContext({ kubeconfig: one.kubeconfig({ by, user: 'admin' }) })
  expect(await context.exec('web', 'echo $CLUSTER')).toMatchObject({ stdout: 'one\n' })
})

test('contexts that mean the same share one client, others do not', async () => {
  const own = new KubernetesConnectionPool()
  const kubeconfig = one.kubeconfig({ name: 'same' })
  await Promise.all([1, 2, 3].map(() => own.createContext({ kubeconfig }).exec('web', 'true')))
  expect(own.getStats().totalConnections).toBe(1)
  await own.createContext({ kubeconfig: two.kubeconfig({ namespace: 'other' }) }).exec('web', 'true')
  expect(own.getStats().totalConnections).toBe(2)
  await own.createContext({ kubeconfig, namespace: 'kube-system' }).request('GET', '/version')
  expect(own.getStats().totalConnections).toBe(3)
  await own.dispose()
  expect(own.getStats().totalConnections).toBe(0)
})

test('of several files the right cluster is chosen: by context, by cluster, with its namespace', async () => {
  const kubeconfig = path.join(one.folder, 'both')
  writeKubeconfig(kubeconfig, [one.context({ name: 'first' }), two.context({ name: 'second', namespace: 'other' })])
  const first = pool.createContext({ kubeconfig })
  const second = pool.createContext({ kubeconfig, context: 'second' })
  expect(second.namespace).toBe('other')
  const [here, there] = await Promise.all([first.exec('web', 'echo $CLUSTER'), second.exec('web', 'echo $CLUSTER')])
  expect([here.stdout, there.stdout]).toEqual(['one\n', 'two\n'])
  const files = [one.kubeconfig({ name: 'a' }), path.join(one.folder, 'missing'), two.kubeconfig({ name: 'b', namespace: 'other' })]
  const merged = pool.createContext({ kubeconfig: files.join(delimiter), context: 'b' })
  expect(await merged.exec('web', 'echo $CLUSTER')).toMatchObject({ stdout: 'two\n' })
})

test('a token file that was replaced is read again', async () => {
  const kubeconfig = one.kubeconfig({ by: 'token-file', user: 'admin', name: 'rotating' })
  const own = new KubernetesConnectionPool({ kubeconfig })
  expect(await own.exec('web', 'echo in')).toMatchObject({ stdout: 'in\n' })
  await own.dispose()
})

test('a plugin that fails or says nonsense is told without what it said', async () => {
  const kubeconfig = path.join(one.folder, 'plugin')
  const broken = { apiVersion: 'client.authentication.k8s.io/v1', interactiveMode: 'Never', command: 'sh', args: ['-c', 'echo top-secret; exit 7'] }
  writeFileSync(kubeconfig, JSON.stringify({
    'apiVersion': 'v1', 'kind': 'Config', 'current-context': 'c',
    'clusters': [{ name: 'c', cluster: { 'server': one.api.url, 'certificate-authority-data': one.ca.toString('base64') } }],
    'users': [{ name: 'u', user: { exec: broken } }],
    'contexts': [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
  }))
  const failure = await failureOf(pool.createContext({ kubeconfig }).exec('web', 'true'))
  expect(failure).toMatchObject({ code: 'ECREDENTIALS', kind: 'authentication', phase: 'authenticate', reached: false })
  expect(JSON.stringify([failure.message, String(failure.cause)])).not.toContain('top-secret')
  rmSync(kubeconfig)
})

test('the API server may go and come back', async () => {
  const own = new KubernetesConnectionPool({ kubeconfig: one.kubeconfig({ name: 'restarted' }), reconnect: { maxRetries: 2, initialDelay: 50 } })
  expect(await own.exec('web', 'echo before')).toMatchObject({ stdout: 'before\n' })
  const hanging = own.exec('web', 'echo started; sleep 4330')
  hanging.catch(() => undefined)
  const follow = own.spawn('web', 'echo up; sleep 4331')
  expect((await follow[Symbol.asyncIterator]().next()).value).toBe('up')
  await one.api.kill()
  expect(await failureOf(follow.done)).toMatchObject({ code: 'ECONNLOST' })
  expect(await failureOf(hanging)).toMatchObject({ code: 'ECONNLOST' })
  expect(await failureOf(own.createContext().request('POST', '/api/v1/namespaces', { body: {} }))).toMatchObject({ kind: expect.stringMatching(/connection/) as string })
  await one.api.resume()
  expect(await own.exec('web', 'echo after')).toMatchObject({ stdout: 'after\n' })
  await own.dispose()
})
