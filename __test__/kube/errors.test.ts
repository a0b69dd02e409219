import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { PrivateBed } from '../support/bed'
import { failureOf } from '../support/failure'
import { Cluster } from '../support/kube'
import { KubernetesConnectionPool, type KubernetesContext } from '../support/native'
import { until } from '../support/wait'
import { refusals } from './suite/refusals'

let cluster: Cluster
let pool: KubernetesConnectionPool
let context: KubernetesContext

beforeAll(async () => {
  cluster = await Cluster.start()
  await cluster.pod({ name: 'web' })
  pool = new KubernetesConnectionPool({ kubeconfig: cluster.kubeconfig() })
  context = pool.context
})

afterEach(() => { cluster.api.intercept = undefined })

afterAll(async () => {
  await pool.dispose()
  await cluster.stop()
})

test('a revoked token is unauthorized', async () => {
  const file = cluster.kubeconfig({ by: 'token', user: 'admin' })
  const known = pool.createContext({ kubeconfig: file })
  expect(await known.exec('web', 'echo in')).toMatchObject({ stdout: 'in\n' })
  const stranger = pool.createContext({ kubeconfig: changed(file, (text) => text.replace(/"token":\s*"[^"]+"|token: \S+/, (token) => (token.startsWith('"') ? '"token": "wrong"' : 'token: wrong'))) })
  expect(await failureOf(stranger.exec('web', 'true'))).toMatchObject({ code: 'EUNAUTHORIZED', kind: 'authentication' })
})

describe.each(['v5', 'v4'] as const)('what a cluster refuses, %s', (streaming) => { refusals(() => PrivateBed.start(streaming)) })

test('a kubeconfig that cannot be used is refused before anything is asked', async () => {
  const missing = pool.createContext({ kubeconfig: path.join(cluster.folder, 'nothing') })
  expect(await failureOf(missing.exec('web', 'true'))).toMatchObject({ code: 'EKUBECONFIG', kind: 'not-found', phase: 'queue' })
  const unnamed = pool.createContext({ context: 'nowhere' })
  expect((await failureOf(unnamed.exec('web', 'true'))).message).toContain('there is no context \'nowhere\'')
})

test('an API server that is not there is a refused connection', async () => {
  const away = new KubernetesConnectionPool({ kubeconfig: changed(cluster.kubeconfig(), (text) => text.replaceAll(String(cluster.api.port), '1')) })
  expect(await failureOf(away.exec('web', 'true'))).toMatchObject({ code: 'ECONNREFUSED', kind: 'connection-refused', phase: 'dial', reached: false })
  await away.dispose()
})

test('a certificate of somebody else is not trusted', async () => {
  const other = await Cluster.start({ runtime: cluster.runtime })
  try {
    const wrong = new KubernetesConnectionPool({ kubeconfig: changed(cluster.kubeconfig(), (text) => text.replaceAll(String(cluster.api.port), String(other.api.port))) })
    expect(await failureOf(wrong.exec('web', 'true'))).toMatchObject({ code: 'ETLS', kind: 'authentication', reached: false })
    await wrong.dispose()
  } finally {
    await other.stop()
  }
})

test.each([
  ['no upgrade', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi', 'EUPGRADE'],
  ['a redirect', 'HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n', 'EUPGRADE'],
  ['a proxy\'s page', 'HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 11\r\n\r\n<h1>no</h1>', 'EUPGRADE'],
  ['another protocol', 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n', 'EUPGRADE'],
  ['no key', 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n', 'EUPGRADE'],
  ['nothing at all', '', 'ECONNLOST'],
  ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n', 'ECONNLOST'],
])('an answer with %s is an error of its own', async (_, answer, code) => {
  cluster.api.intercept = ({ request, socket }) => {
    if (!(request.url ?? '').includes('/exec')) return false
    socket.end(answer)
    return true
  }
  expect(await failureOf(context.exec('web', 'true'))).toMatchObject({ code })
  cluster.api.intercept = undefined
  expect(await context.exec('web', 'echo well')).toMatchObject({ stdout: 'well\n' })
})

test('logs that end although their container goes on have not ended well', async () => {
  await cluster.pod({ name: 'talker', command: ['sh', '-c', 'while :; do echo more; sleep 0.05; done'] })
  const ends = { left: 1 }
  cluster.api.intercept = ({ request, response }) => {
    if (!(request.url ?? '').includes('/log') || ends.left === 0) return false
    ends.left -= 1
    response?.end('last\n')
    return true
  }
  const seen: string[] = []
  const following = (async () => { for await (const line of context.followLogs('talker')) seen.push(line) })()
  expect(await failureOf(following)).toMatchObject({ code: 'ECONNLOST', kind: 'connection-lost', message: expect.stringContaining('talker') as string })
  expect(seen).toEqual(['last'])
}, 30_000)

test('whoever stops following while it is asked whether the container has ended waits no longer', async () => {
  await cluster.pod({ name: 'endless', command: ['sleep', '300'] })
  const asked = { logs: false, pods: 0 }
  cluster.api.intercept = ({ request, response }) => {
    const url = request.url ?? ''
    if (url.endsWith('/pods/endless') && asked.logs) asked.pods += 1
    if (!url.includes('/log')) return false
    asked.logs = true
    response?.end('last\n')
    return true
  }
  const logs = context.followLogs('endless')
  const following = (async () => { for await (const line of logs) expect(line).toBe('last') })()
  // Which run it is, and twice whether that goes on.
  await until('it is asked again', () => asked.pods > 2)
  logs.stop()
  const stopped = { pods: asked.pods }
  await following
  expect(asked.pods - stopped.pods).toBeLessThanOrEqual(1)
})

test('bad options are refused at once, by their names', async () => {
  for (const [call, option] of [
    [() => context.exec('Not A Pod', 'true'), 'pod'],
    [() => context.exec({ selector: '' }, 'true'), 'selector'],
    [() => context.exec('web', ''), 'command'],
    [() => context.exec('web', 'true', { container: '../x' }), 'container'],
    [() => context.portForward('job/x', { remote: 80 }), 'target'],
    [() => context.portForward('web', {} as { remote: number }), 'remote'],
    [() => context.logs('web', { since: 1, sinceTime: new Date() }), 'sinceTime'],
  ] as const) {
    const failure = await failureOf((async () => { await call() })())
    expect(failure.code).toBe('EINVAL_OPTION')
    expect(failure.message).toContain(option)
  }
})

let files = 0

function changed(file: string, change: (text: string) => string): string {
  const copy = path.join(cluster.folder, `changed-${files++}`)
  writeFileSync(copy, change(readFileSync(file, 'utf8')))
  return copy
}
