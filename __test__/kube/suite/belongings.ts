import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Bed, type StartBed, temporaryFolder } from '../../support/bed'
import { failureOf } from '../../support/failure'
import { KubernetesConnectionPool, type KubernetesContext } from '../../support/native'
import { freePort } from '../../support/ports'
import { eventually } from './eventually'

/** Answers each line with itself, in upper case. */
const echo = (at: number): string[] => ['sh', '-c', `while :; do nc -ll -p ${at} -e tr a-z A-Z; done`]

/** Rejects where the connection ends without an answer. */
function ask(at: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(at, '127.0.0.1')
    socket.on('error', reject).on('close', () => { reject(new Error('no answer')) })
    socket.once('data', (answer: Buffer) => {
      resolve(answer.toString())
      // Not an end, which leaves open whether it still listens.
      socket.resetAndDestroy()
    })
    socket.write(text)
  })
}

/** What a pod has besides commands: logs, its place in lists, ports and files; on any cluster. */
export function belongingsOfPods(start: StartBed): void {
  let bed: Bed
  let pool: KubernetesConnectionPool
  let context: KubernetesContext
  let port: number
  const temporary = temporaryFolder()
  const folder = temporary.path

  beforeAll(async () => {
    bed = await start()
    port = await freePort()
    await bed.pod({ name: 'web', labels: { app: 'web' }, containers: [
      { name: 'main', command: ['sh', '-c', 'echo one; echo; echo two >&2; printf "no end"; sleep 36000'] },
      { name: 'side', command: ['sh', '-c', 'echo aside; sleep 36000'] },
    ] })
    await bed.pod({ name: 'server', labels: { app: 'server' }, command: echo(port) })
    pool = new KubernetesConnectionPool({ kubeconfig: await bed.kubeconfig() })
    context = pool.context
  })

  afterAll(async () => {
    await pool.dispose()
    await bed.stop()
    temporary.remove()
  })

  test('logs are what a container has said', async () => {
    await eventually('everything is said', async () => (await context.logs('web')).includes('two'))
    // Each stream keeps its order; the runtime reads the two of them side by side.
    const said = (await context.logs('web')).split('\n')
    expect(said.filter((line) => line !== 'two').slice(0, 2)).toEqual(['one', ''])
    expect(said).toContain('two')
    expect(await context.logs('web', { container: 'side' })).toBe('aside\n')
    expect((await context.logs('web', { tail: 1, container: 'side', timestamps: true })).trim()).toMatch(/^\d{4}-\d\d-\d\dT\S+ aside$/)
    const all = await context.logs('web', { allContainers: true })
    expect(all).toContain('[main] one\n')
    expect(all).toContain('[side] aside\n')
    expect(await failureOf(context.logs('nobody'))).toMatchObject({ code: 'ENOPOD' })
  })

  test('logs are followed by whole lines, until they are stopped', async () => {
    await bed.pod({ name: 'talker', command: ['sh', '-c', 'i=0; while :; do i=$((i+1)); printf "line "; echo $i; sleep 0.2; done'] })
    const logs = context.followLogs('talker')
    await logs.started
    const seen: string[] = []
    for await (const line of logs) {
      seen.push(line)
      if (seen.length === 5) logs.stop()
    }
    expect(seen.slice(0, 5)).toEqual(['line 1', 'line 2', 'line 3', 'line 4', 'line 5'])
    expect(await failureOf(context.followLogs('nobody').started)).toMatchObject({ code: 'ENOPOD' })
  })

  test('logs end with the run that they are of, and what the run before this one said', async () => {
    await bed.pod({ name: 'restarted', command: ['sh', '-c', 'echo run; sleep 36000; exit 1'] })
    await eventually('it has spoken', async () => (await context.logs('restarted')).includes('run'))
    const followed: string[] = []
    const following = (async () => { for await (const line of context.followLogs('restarted')) followed.push(line) })()
    await eventually('it is followed', () => Promise.resolve(followed.length > 0))
    await bed.restart('restarted')
    await following
    expect(followed[0]).toBe('run')
    expect(await context.logs('restarted', { previous: true })).toMatch(/^run\n/)
  })

  test('pods are listed, looked at and waited for', async () => {
    const pods = await context.listPods({ selector: 'app=web' })
    expect(pods).toMatchObject([{ name: 'web', namespace: bed.home, phase: 'Running', ready: true, containers: ['main', 'side'], labels: { app: 'web' } }])
    expect((await context.listPods()).map(({ name }) => name)).toEqual(expect.arrayContaining(['server', 'web']))
    const coming = context.waitForPod('late')
    await bed.pod({ name: 'late' })
    expect(await coming).toMatchObject({ name: 'late', ready: true })
    const going = context.waitForPod('late', { for: 'deleted' })
    await bed.remove('late')
    expect(await going).toBeUndefined()
    expect(await failureOf(context.waitForPod('never', { timeout: 200 }))).toMatchObject({ code: 'ETIMEDOUT', kind: 'timeout' })
  })

  test('a port of a pod, a service and a deployment is forwarded to, by many at once', async () => {
    await bed.service({ name: 'server', selector: { app: 'server' }, ports: [{ port: 80, targetPort: port }] })
    await bed.deployment({ name: 'server', labels: { app: 'server' } })
    for (const [target, remote] of [['server', port], ['svc/server', 80], ['deployment/server', port]] as const) {
      await using forward = await context.portForward(target, { remote })
      expect(forward.localPort).toBeGreaterThan(0)
      const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => ask(forward.localPort, `hello ${index}`)))
      expect(answers).toEqual(Array.from({ length: 8 }, (_, index) => `HELLO ${index}`))
    }
    expect(pool.forwards).toHaveLength(0)
  })

  test('trees and files are copied both ways with their modes', async () => {
    const tree = path.join(folder, 'tree')
    mkdirSync(path.join(tree, 'sub'), { recursive: true })
    writeFileSync(path.join(tree, 'sub', 'data'), Buffer.alloc(100_000, 7))
    writeFileSync(path.join(tree, '.hidden'), 'dot')
    chmodSync(path.join(tree, '.hidden'), 0o751)
    symlinkSync('sub/data', path.join(tree, 'link'))
    expect(await context.copyTo(tree, 'server', '/tmp/copied')).toMatchObject({ files: 2, links: 1 })
    expect(await context.exec('server', 'cd /tmp/copied && wc -c <sub/data && stat -c %a .hidden && readlink link')).toMatchObject({ stdout: '100000\n751\nsub/data\n' })
    const back = path.join(folder, 'back')
    await context.copyFrom('server', '/tmp/copied', back)
    expect(readFileSync(path.join(back, 'sub', 'data')).equals(Buffer.alloc(100_000, 7))).toBe(true)
    expect(statSync(path.join(back, '.hidden')).mode & 0o777).toBe(0o751)
    expect(readlinkSync(path.join(back, 'link'))).toBe('sub/data')
    await context.copyTo(path.join(tree, '.hidden'), 'server', '/tmp/')
    expect(await context.exec('server', 'cat /tmp/.hidden')).toMatchObject({ stdout: 'dot' })
    expect(await failureOf(context.copyFrom('server', '/tmp/nothing', back))).toMatchObject({ code: 'ENOENT', kind: 'not-found' })
    expect(await failureOf(context.copyTo(path.join(folder, 'nothing'), 'server', '/tmp/x'))).toMatchObject({ code: 'ENOENT' })
  })

  test('a link that leads out of the destination ends the copy', async () => {
    await context.exec('server', 'mkdir /tmp/evil && ln -s /etc/passwd /tmp/evil/link')
    expect(await failureOf(context.copyFrom('server', '/tmp/evil', path.join(folder, 'evil')))).toMatchObject({ code: 'EARCHIVE' })
    expect(existsSync(path.join(folder, 'evil', 'link'))).toBe(false)
  })

  test('a forward finds the pod that came in place of another one', async () => {
    const other = await freePort()
    await bed.pod({ name: 'old', labels: { app: 'replaced' }, command: echo(other) })
    await bed.service({ name: 'replaced', selector: { app: 'replaced' }, ports: [{ port: 80, targetPort: other }] })
    await using forward = await context.portForward('service/replaced', { remote: 80 })
    await eventually('the server listens', async () => await ask(forward.localPort, 'a').catch(() => '') === 'A')
    await bed.remove('old')
    await bed.pod({ name: 'new', labels: { app: 'replaced' }, command: echo(other) })
    await eventually('the new pod answers', async () => await ask(forward.localPort, 'b').catch(() => '') === 'B')
  })

  test('a port that nobody listens on is told, and closes only its client', async () => {
    await using forward = await context.portForward('server', { remote: await freePort() })
    const told = once(forward, 'error')
    const socket = connect(forward.localPort, '127.0.0.1')
    socket.on('error', () => undefined)
    await once(socket, 'close')
    expect((await told)[0]).toMatchObject({ code: expect.any(String) as string })
    expect(forward.isOpen).toBe(true)
  })

  test('a client that has said everything gets the whole answer, however long it takes', async () => {
    const slow = await freePort()
    await bed.pod({ name: 'slow', command: ['nc', '-ll', '-p', String(slow), '-e', 'sh', '-c', 'read -r l; echo "got $l"; sleep 6; head -c 300000 /dev/zero; echo end'] })
    await using forward = await context.portForward('slow', { remote: slow })
    await eventually('the server listens', async () => await ask(forward.localPort, 'a\n').catch(() => '') === 'got a\n')
    const socket = connect({ port: forward.localPort, host: '127.0.0.1', allowHalfOpen: true })
    socket.end('request\n')
    const pieces: Buffer[] = []
    for await (const piece of socket as AsyncIterable<Buffer>) pieces.push(piece)
    const answer = Buffer.concat(pieces)
    expect(answer.length).toBe('got request\nend\n'.length + 300_000)
    expect([answer.toString('latin1', 0, 12), answer.toString('latin1', answer.length - 4)]).toEqual(['got request\n', 'end\n'])
  })

  test('bytes go both ways whole, each way at its reader\'s pace', async () => {
    const mirror = await freePort()
    await bed.pod({ name: 'mirror', command: ['nc', '-ll', '-p', String(mirror), '-e', 'cat'] })
    await using forward = await context.portForward('mirror', { remote: mirror })
    await eventually('the server listens', async () => await ask(forward.localPort, 'a').catch(() => '') === 'a')
    const sent = Buffer.from(Array.from({ length: 8_000_000 }, (_, index) => (index * 31 + (index >> 12)) % 256))
    const socket = connect(forward.localPort, '127.0.0.1')
    socket.write(sent)
    const pieces: Buffer[] = []
    let length = 0
    for await (const piece of socket as AsyncIterable<Buffer>) {
      pieces.push(piece)
      length += piece.length
      if (length >= sent.length) break
    }
    expect(Buffer.concat(pieces).equals(sent)).toBe(true)
  })

  test('a forward\'s clients are use: what they go through is neither idle nor closed as such', async () => {
    const own = new KubernetesConnectionPool({ kubeconfig: await bed.kubeconfig(), idleTimeout: 100 })
    await using forward = await own.context.portForward('server', { remote: port })
    const socket = connect(forward.localPort, '127.0.0.1')
    socket.write('in use')
    expect(String((await once(socket, 'data'))[0])).toBe('IN USE')
    expect(forward.connections).toBe(1)
    expect(own.getStats()).toMatchObject({ activeConnections: 1, idleConnections: 0 })
    expect(await own.closeIdleConnections()).toBe(0)
    const closed = once(own, 'connection:closed')
    socket.resetAndDestroy()
    await closed
    expect(own.getStats()).toMatchObject({ totalConnections: 0 })
    expect(await ask(forward.localPort, 'again')).toBe('AGAIN')
    await own.dispose()
  })

  test('closing the pool closes its forwards', async () => {
    const own = new KubernetesConnectionPool({ kubeconfig: await bed.kubeconfig() })
    const forward = await own.context.portForward('server', { remote: port })
    expect(await ask(forward.localPort, 'x')).toBe('X')
    await own.dispose()
    expect(forward.isOpen).toBe(false)
    expect(own.getStats().totalConnections).toBe(0)
  })
}
