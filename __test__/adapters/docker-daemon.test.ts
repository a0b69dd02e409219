import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DockerAdapter, DockerError } from '../support/native'
import { Dockerd } from '../support/dockerd'
import { causeOf, failureOf } from '../support/failure-of'
import { LOGIN, Registry } from '../support/registry'
import { runNode } from '../support/run-script'
import { until } from '../support/wait'
import { openSockets } from '../docker/engines'

let engine: Dockerd
let adapter: DockerAdapter
let folder: string

beforeAll(async () => { engine = await Dockerd.start() })
afterAll(async () => { await engine.stop() })
beforeEach(() => {
  adapter = new DockerAdapter({ socketPath: engine.socketPath })
  folder = mkdtempSync(join(tmpdir(), 'xec-daemon-'))
})
afterEach(async () => {
  await adapter.dispose()
  rmSync(folder, { recursive: true, force: true })
})

const docker = (container: string): { type: string } => Object.assign({ type: 'docker' }, { container })

const box = (name: string, ...command: string[]): Promise<string> => engine.container({ name, cmd: command })

describe('a daemon that is killed', () => {
  afterEach(async () => {
    for (const name of await adapter.listContainers(true)) await adapter.removeContainer(name, true)
  })

  /** Kills the daemon in the middle of something, and starts it again when that has failed. */
  async function killedDuring(work: Promise<unknown>): Promise<DockerError> {
    await engine.kill()
    const error = await failureOf(DockerError, work)
    expect(error.kind).toMatch(/^connection-(lost|refused)$/)
    await engine.resume()
    return error
  }

  it('while following: an error, and the next call works', async () => {
    await box('talker', 'sh', '-c', 'while true; do echo tick; sleep 0.05; done')
    let seen: (() => void) | undefined
    const first = new Promise<void>((resolve) => { seen = resolve })
    const following = adapter.streamLogs('talker', () => { seen?.() }, { follow: true })
    following.catch(() => undefined)
    await first
    await killedDuring(following)
    expect(await adapter.listContainers(true)).toEqual(['talker'])
  })

  it('while copying, both ways: an error, and the next copy works', async () => {
    execFileSync('dd', ['if=/dev/zero', `of=${join(folder, 'big')}`, 'bs=1M', 'count=256', 'status=none'])
    for (const way of ['in', 'out'] as const) {
      await box(way, 'sleep', '1000')
      if (way === 'out') await adapter.copyToContainer(join(folder, 'big'), 'out', '/tmp/big')
      let seen: (() => void) | undefined
      const begun = new Promise<void>((resolve) => { seen = resolve })
      const onProgress = (): void => { seen?.() }
      const copying = way === 'in'
        ? adapter.copyToContainer(join(folder, 'big'), 'in', '/tmp/big', { onProgress })
        : adapter.copyFromContainer('out', '/tmp/big', join(folder, 'back'), { onProgress })
      copying.catch(() => undefined)
      await begun
      await killedDuring(copying)
      await adapter.startContainer(way)
      writeFileSync(join(folder, 'small'), 'x')
      expect(await adapter.copyToContainer(join(folder, 'small'), way, '/tmp')).toMatchObject({ files: 1 })
    }
  })

  it('while a command runs, in a container and in one of its own', async () => {
    await box('worker', 'sleep', '1000')
    for (const adapterOptions of [docker('worker'), Object.assign({ type: 'docker' }, { image: engine.image, network: 'none' })]) {
      let seen: (() => void) | undefined
      const begun = new Promise<void>((resolve) => { seen = resolve })
      const running = adapter.execute({
        command: 'trap exit TERM; echo up; while true; do sleep 0.1; done', adapterOptions, onSpawn: ({ stdout }) => { stdout.once('data', () => { seen?.() }) },
      })
      running.catch(() => undefined)
      await begun
      expect(await killedDuring(running)).not.toHaveProperty('reached', false)
      await adapter.startContainer('worker')
      expect((await adapter.execute({ command: 'echo again', adapterOptions: docker('worker') })).stdout).toBe('again\n')
    }
  })

  it('while waiting for health', async () => {
    await box('waiting', 'sleep', '1000')
    await engine.container({ name: 'starting', Healthcheck: { Test: ['CMD', 'true'], Interval: 3600e9 } })
    const waiting = adapter.waitForHealthy('starting', 60_000)
    waiting.catch(() => undefined)
    await killedDuring(waiting)
  })
})

describe('what is cut short', () => {
  it('leaves no line open and no container behind', async () => {
    const before = openSockets()
    await using cut = new DockerAdapter({ socketPath: engine.socketPath })
    await engine.container({ name: 'chatter', cmd: ['sh', '-c', 'while true; do echo tick; sleep 0.05; done'], Healthcheck: { Test: ['CMD', 'true'], Interval: 3600e9 } })
    const abort = new AbortController()
    const { signal } = abort
    await failureOf(DockerError, cut.streamLogs('chatter', () => { throw new Error('enough') }, { follow: true }))
    await failureOf(DockerError, cut.waitForHealthy('chatter', 100))
    await failureOf(DockerError, cut.copyFromContainer('chatter', '/bin', join(folder, 'bin'), { onProgress: () => { throw new Error('enough') } }))
    const running = cut.execute({ command: 'echo up; sleep 1000', signal, adapterOptions: Object.assign({ type: 'docker' }, { image: engine.image, network: 'none' }), onSpawn: ({ stdout }) => { stdout.once('data', () => { abort.abort() }) } })
    await failureOf(DockerError, running)
    expect(await cut.listContainers(true)).toEqual(['chatter'])
    await cut.removeContainer('chatter', true)
    await cut.dispose()
    await until('no line is open', () => openSockets() <= before)
  })

  it('a program that closed nothing ends by itself', async () => {
    await box('box', 'sleep', '1000')
    const { code, stdout, stderr, lingered } = await runNode([join(__dirname, '../fixtures/exit/docker-adapter.mjs')], { DOCKER_HOST: engine.url })
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'ran\n', stderr: '' })
    expect(lingered).toBeLessThan(1_000)
    await adapter.removeContainer('box', true)
  })
})

describe('a registry', () => {
  let registry: Registry

  beforeAll(async () => { registry = await Registry.start() })
  afterAll(async () => { await registry.stop() })

  it('push and pull with a login, with progress', async () => {
    const image = `${registry.name}/team/tool:1.0`
    await adapter.tagImage(engine.image, image)
    const statuses = new Set<string>()
    let total = 0
    await adapter.pushImage(image, { auth: LOGIN, onProgress: ({ status, total: bytes = 0 }) => {
      statuses.add(status)
      total = Math.max(total, bytes)
    } })
    expect([...statuses]).toContain('Pushed')
    expect(total).toBeGreaterThan(500_000)
    await adapter.removeImage(image)
    expect(await adapter.listImages(registry.name)).toEqual([])
    await adapter.pullImage(image, { auth: LOGIN })
    expect(await adapter.listImages(registry.name)).toEqual([image])
    await adapter.removeImage(image)
  })

  it('what docker login has stored is used', async () => {
    const image = `${registry.name}/stored:1`
    const auth = Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString('base64')
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ auths: { [registry.name]: { auth } } }))
    const before = process.env['DOCKER_CONFIG']
    process.env['DOCKER_CONFIG'] = folder
    try {
      await adapter.tagImage(engine.image, image)
      await adapter.pushImage(image)
      await adapter.removeImage(image)
      await adapter.runContainer({ name: 'pulled', image, network: 'none', command: ['true'] })
      await adapter.removeContainer('pulled', true)
    } finally {
      if (before === undefined) delete process.env['DOCKER_CONFIG']
      else process.env['DOCKER_CONFIG'] = before
    }
  })

  it('a wrong login, and an image that is not there', async () => {
    const image = `${registry.name}/none:1`
    await adapter.tagImage(engine.image, image)
    for (const auth of [undefined, { username: 'builder', password: 'wrong' }]) {
      const error = await failureOf(DockerError, adapter.pushImage(image, auth === undefined ? {} : { auth }))
      expect([causeOf(error), error.kind]).toEqual(['EUNAUTHORIZED', 'authentication'])
      expect(JSON.stringify([error.message, error])).not.toContain('wrong')
    }
    await adapter.removeImage(image)
    const missing = await failureOf(DockerError, adapter.pullImage(image, { auth: LOGIN }))
    expect([causeOf(missing), missing.kind]).toEqual(['ENOIMAGE', 'not-found'])
  })
})

describe('compose', () => {
  it('up, ps, logs, down', async () => {
    writeFileSync(join(folder, 'compose.yml'), `
version: '2.4'
services:
  one:
    image: ${engine.image}
    network_mode: none
    stop_signal: SIGKILL
    command: ["sh", "-c", "echo $$SAID; sleep 1000"]
    environment: { SAID: "\${WORD}" }
`)
    const options = { file: join(folder, 'compose.yml'), projectName: 'xectest', env: { WORD: 'composed' }, cwd: folder }
    await adapter.composeUp(options)
    expect(await adapter.composePs(options)).toContain('one')
    expect((await adapter.listContainers()).some((name) => /^xectest.one.1$/.test(name))).toBe(true)
    await expect.poll(() => adapter.composeLogs('one', options), { timeout: 10_000 }).toContain('composed')
    await adapter.composeDown(options)
    expect(await adapter.listContainers(true)).toEqual([])
  })

  it('what it says when it fails', async () => {
    const error = await failureOf(DockerError, adapter.composeUp({ file: join(folder, 'none.yml'), cwd: folder }))
    expect([causeOf(error), error.kind]).toEqual(['ECOMPOSE', 'command-failed'])
    expect(error.message).toContain('none.yml')
    expect(causeOf(await failureOf(DockerError, adapter.composeLogs('--help', {})))).toBe('EINVAL_OPTION')
  })
})
