import * as core from '@xec-sh/core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createEngine, install, uninstall } from '../../xec.mjs'
import { Dockerd } from '../support/dockerd'
import { failureOf } from '../support/failure-of'
import { DockerAdapter, DockerConnectionPool } from '../support/native'

let engine: Dockerd

beforeAll(async () => {
  engine = await Dockerd.start()
  await engine.container({ name: 'box' })
})
afterAll(async () => {
  await DockerConnectionPool.getInstance().dispose()
  await engine.stop()
})

describe('install', () => {
  let $: typeof core.$
  let commands: string[]

  beforeEach(() => {
    $ = core.createCallableEngine(new core.ExecutionEngine())
    commands = []
    install($, { docker: { socketPath: engine.socketPath } }).docker
      .on('docker:exec', ({ command }) => { commands.push(command) })
      .on('docker:run', ({ command }) => { commands.push(command) })
  })
  afterEach(async () => { await uninstall($) })

  /** Without core's promise around it, whose rejections core 0.9.0 leaves unhandled. */
  const direct = (command: string, extra: Partial<core.Command> = {}, container = 'box'): Promise<core.ExecutionResult> =>
    $.execute({ command, adapter: 'docker', adapterOptions: { type: 'docker', container }, ...extra })

  it('makes $.docker({ container }) run through Rust, with core\'s own result', async () => {
    const result = await $.docker({ container: 'box' })`echo ${'a b; id'} && echo err >&2`
    expect(result).toMatchObject({ stdout: 'a b; id\n', stderr: 'err\n', exitCode: 0, ok: true, adapter: 'docker', container: 'box' })
    expect(Object.getPrototypeOf(result)).toBe(Object.getPrototypeOf(await $`true`))
    expect(commands).toEqual([result.command])
  })

  it('cd, env, timeout, nothrow, json, lines, user and directory', async () => {
    const box = $.docker({ container: 'box', user: 'tester', workdir: '/tmp' })
    expect(await box`id -un; pwd`.lines()).toEqual(['tester', '/tmp'])
    expect(await box.cd('/etc')`pwd`.text()).toBe('/etc')
    expect(await box.env({ A: 'b c' })`echo "$A"`.text()).toBe('b c')
    expect(await box`echo '{"a":1}'`.json()).toEqual({ a: 1 })
    expect(await box`exit 3`.nothrow()).toMatchObject({ exitCode: 3, ok: false })
    expect(await box`sleep 300`.timeout(300).nothrow()).toMatchObject({ exitCode: 124 })
    expect(await $.docker({ container: 'box', env: { FROM: 'options' } } as never)`echo $FROM`.text()).toBe('options')
  })

  it('$.docker({ image }) is a container for one command', async () => {
    const daemonHasNoNetwork = { command: 'echo once', adapter: 'docker', adapterOptions: { type: 'docker', image: engine.image, network: 'none' } }
    const result = await $.execute(daemonHasNoNetwork as never)
    expect(result).toMatchObject({ stdout: 'once\n', adapter: 'docker' })
    expect((await engine.call('GET', '/containers/json?all=1')).body).toHaveLength(1)
  })

  it('throws core\'s own errors', async () => {
    const failed = await failureOf(core.CommandError, direct('echo half; exit 3'))
    expect(failed).toMatchObject({ exitCode: 3, stdout: 'half\n' })
    await failureOf(core.TimeoutError, direct('sleep 300', { timeout: 200 }))
    const missing = await failureOf(core.DockerError, direct('true', {}, 'missing'))
    expect(missing).toMatchObject({ container: 'missing', code: 'DOCKER_ERROR', kind: 'not-found', cause: { code: 'ENOCONTAINER' } })
    expect(missing.message).toContain(`Container 'missing' not found`)
    await failureOf(core.AdapterError, $.execute({ command: 'true', adapter: 'docker' }))
  })

  it('masks as core does', async () => {
    expect((await $.docker({ container: 'box' })`echo "password=hunter2hunter2"`).stdout).toBe('password=[REDACTED]\n')
  })

  it('DockerContainer runs on it', async () => {
    const adapter = $.getAdapter('docker')
    const container = new core.DockerContainer($ as never, adapter as never, {
      image: engine.image, name: 'of-core', network: 'none', command: 'echo started; trap exit TERM; while true; do sleep 0.1; done', env: { X: 'y' }, labels: { a: 'b' },
      volumes: { '/etc': '/there' },
    })
    await container.start()
    expect(await container.execRaw('echo', ['$X'])).toMatchObject({ stdout: 'y\n', container: 'of-core' })
    expect(await container.logs()).toBe('started\n')
    expect(((await container.inspect()) as { State: object }).State).toMatchObject({ Running: true })
    expect(await container.stats()).toMatchObject({ Name: 'of-core' })
    expect(await container.getIpAddress()).toBeNull()
    await container.copyTo(__filename, '/tmp/copied')
    expect((await container.execRaw('grep -c DockerContainer /tmp/copied')).exitCode).toBe(0)
    await container.restart()
    await container.stop()
    await container.remove()
    expect(container.removed).toBe(true)
  })

  it('uninstall brings core\'s own adapter back', async () => {
    expect($.getAdapter('docker')).toBeInstanceOf(DockerAdapter)
    await uninstall($)
    expect($.getAdapter('docker')).toBeInstanceOf(core.DockerAdapter)
  })

  it('the engine\'s own section is taken over', () => {
    const other = new core.ExecutionEngine({ defaultTimeout: 7_000, adapters: { docker: { socketPath: '/x.sock' } } })
    expect(install(other).docker.getConfig()).toMatchObject({ defaultTimeout: 7_000, socketPath: '/x.sock' })
  })
})

describe('the ready engine', () => {
  it('$.docker.connect(), and sessions of $.docker({ container })', async () => {
    const $ = createEngine({ adapters: { docker: { socketPath: engine.socketPath } } })
    const client = await $.docker.connect({ socketPath: engine.socketPath, timeout: 10_000 })
    expect((await client.exec('box', 'echo connected')).stdout).toBe('connected\n')
    const session = $.docker({ container: 'box' }).createExecSession({ Cmd: ['/bin/sh'] })
    await session.start()
    await session.write('echo in a session; exit 4\n')
    expect(await session.end()).toMatchObject({ exitCode: 4 })
    expect(await $.docker({ container: 'box' })`echo tagged`.text()).toBe('tagged')
  })

  it('$.with({ adapter: instance }).docker(...) runs over that instance', async () => {
    await using adapter = new DockerAdapter({ socketPath: engine.socketPath })
    expect(await createEngine().with({ adapter }).docker({ container: 'box' })`echo mine`.text()).toBe('mine')
  })
})
