import * as core from '@xec-sh/core'
import { createRequire } from 'node:module'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { $ as ready, createEngine, install, uninstall } from '../../xec.mjs'
import { SSHAdapter, SSHConnectionPool } from '../support/native'
import { OpenSSHServer, TEST_USER } from '../support/openssh'

/** What core's own `$.ssh` wants. */
interface CoreTarget { host: string; port: number; username: string; privateKey: string }

let server: OpenSSHServer
let target: CoreTarget & { knownHostsPath: string }

beforeAll(async () => {
  server = await OpenSSHServer.start()
  target = { host: '127.0.0.1', port: server.port, username: TEST_USER, privateKey: server.userKey.path, knownHostsPath: server.knownHosts }
})

afterAll(async () => {
  await SSHConnectionPool.getInstance().dispose()
  await server.stop()
})

/**
 * A command without core's promise around it. For failures: core 0.9.0 leaves a rejection of its own unhandled whenever
 * such a promise rejects, caught or not (see docs/guides/drop-in.md).
 */
function direct(
  engine: { execute(command: core.Command): Promise<core.ExecutionResult> },
  command: string, extra: Partial<core.Command> = {}, options: object = {},
): Promise<core.ExecutionResult> {
  return engine.execute({ command, adapterOptions: { type: 'ssh', ...target, ...options }, ...extra })
}

describe('install', () => {
  let $: typeof core.$

  beforeEach(() => {
    $ = core.createCallableEngine(new core.ExecutionEngine())
    install($)
  })

  afterEach(async () => { await uninstall($) })

  it('makes $.ssh run through Rust, with core\'s own result', async () => {
    const before = SSHConnectionPool.getInstance().getStats().commandsRun
    const result = await $.ssh(target)`id -un`
    expect(result.stdout).toBe(`${TEST_USER}\n`)
    expect(result).toMatchObject({ exitCode: 0, ok: true, adapter: 'ssh', host: `127.0.0.1:${server.port}`, command: 'id -un' })
    const local = await $`true`
    expect(Object.getPrototypeOf(result)).toBe(Object.getPrototypeOf(local))
    expect(SSHConnectionPool.getInstance().getStats().commandsRun).toBe(before + 1)
  })

  it('takes key paths and PKCS#8, which core\'s own adapter refuses', async () => {
    await uninstall($)
    await expect(direct($, 'true')).rejects.toBeInstanceOf(core.ConnectionError)
    install($)
    await expect($.ssh(target)`true`).resolves.toMatchObject({ exitCode: 0 })
  })

  it('quoting, text, lines, json, cd, env, nothrow, timeout', async () => {
    const ssh = $.ssh(target)
    expect(await ssh`echo ${'a b; id'}`.text()).toBe('a b; id')
    expect(await ssh`printf 'x\ny\n'`.lines()).toEqual(['x', 'y'])
    expect(await ssh`echo '{"a":1}'`.json()).toEqual({ a: 1 })
    expect(await ssh.cd('/usr')`pwd`.text()).toBe('/usr')
    expect(await ssh.env({ GREETING: 'hi there' })`echo $GREETING`.text()).toBe('hi there')
    expect(await ssh`exit 3`.nothrow()).toMatchObject({ exitCode: 3, ok: false })
    expect(await ssh`sleep 300`.timeout(200).nothrow()).toMatchObject({ exitCode: 124 })
  })

  it('throws core\'s own errors', async () => {
    await expect($.ssh(target)`echo half; exit 3`).rejects.toSatisfy((error: unknown) =>
      error instanceof core.CommandError && error.exitCode === 3 && error.stdout === 'half\n')
    await expect(direct($, 'exit 3')).rejects.toBeInstanceOf(core.CommandError)
    await expect(direct($, 'sleep 300', { timeout: 200 })).rejects.toBeInstanceOf(core.TimeoutError)
    await expect(direct($, 'true', {}, { port: 1 })).rejects.toSatisfy((error: unknown) =>
      error instanceof core.ConnectionError && error.code === 'CONNECTION_FAILED' && 'kind' in error && error.kind === 'connection-refused')
    await expect($.execute({ command: 'true', adapter: 'ssh' })).rejects.toBeInstanceOf(core.AdapterError)
  })

  it('passes our options of $.ssh on, and refuses what it cannot do', async () => {
    const ssh = $.ssh({ ...target, poolConfig: { maxConnections: 1, channelsPerConnection: 1 } })
    const where = await Promise.all([1, 2, 3].map(() => ssh`echo $SSH_CONNECTION`.text()))
    expect(new Set(where).size).toBe(1)
    await expect(direct($, 'true', {}, { sudo: { enabled: true, user: 'no account' } })).rejects.toMatchObject({ kind: 'invalid-usage' })
  })

  it('goes where jumpHost, proxy and sshConfig of $.ssh lead', async () => {
    expect(await direct($, 'echo jumped', {}, { jumpHost: target })).toMatchObject({ stdout: 'jumped\n' })
    await expect(direct($, 'true', {}, { jumpHost: { ...target, port: 1 } })).rejects.toMatchObject({ originalError: { code: 'EJUMPHOST' } })
    await expect(direct($, 'true', {}, { proxy: 'http://127.0.0.1:1' })).rejects.toMatchObject({ originalError: { code: 'EPROXY' } })
    await expect(direct($, 'true', {}, { sshConfig: '/no/such/file' })).rejects.toMatchObject({ originalError: { code: 'ESSHCONFIG' } })
  })

  it('masks as core does', async () => {
    const result = await $.ssh(target)`echo "password=hunter2hunter2"`
    expect(result.stdout).toBe('password=[REDACTED]\n')
  })

  it('retry() runs a failing command again', async () => {
    const marks = `/tmp/xec-retry-${process.pid}`
    const result = await $.ssh(target)`echo x >> ${marks}; test $(wc -l < ${marks}) -ge 3 && wc -l < ${marks} && rm ${marks}`
      .nothrow()
    expect(result.exitCode).toBe(1)
    const again = await $.ssh(target).retry({ maxRetries: 3, initialDelay: 1 })`echo x >> ${marks}; test $(wc -l < ${marks}) -ge 3 && wc -l < ${marks} && rm ${marks}`
    expect(again.stdout.trim()).toBe('3')
  })

  it('is idempotent', () => {
    const first = install($)
    expect(install($)).toBe(first)
    expect($.getAdapter('ssh')).toBe(first.adapter)
    expect(install($, { defaultTimeout: 1_234 })).toBe(first)
    expect(first.adapter.getConfig().defaultTimeout).toBe(1_234)
  })

  it('takes the engine\'s own defaults over', () => {
    const engine = new core.ExecutionEngine({ defaultTimeout: 7_000, adapters: { ssh: { maxBuffer: 99 } } })
    expect(install(engine).adapter.getConfig()).toMatchObject({ defaultTimeout: 7_000, maxBuffer: 99 })
  })

  it('holds for engines derived from it', async () => {
    const derived = $.with({ env: { A: 'derived' } })
    expect(derived.getAdapter('ssh')).toBe(install($).adapter)
    expect(await derived.ssh(target)`echo $A`.text()).toBe('derived')
  })

  it('uninstall brings core\'s own adapter back', async () => {
    const handle = install($)
    await handle.uninstall()
    expect($.getAdapter('ssh')).toBeInstanceOf(core.SSHAdapter)
    await uninstall($)
    expect($.getAdapter('ssh')).toBeInstanceOf(core.SSHAdapter)
    expect(install($).adapter).not.toBe(handle.adapter)
  })

  it('dispose of the engine resolves', async () => {
    await $.ssh(target)`true`
    await $.dispose()
  })

  it('the shared pool\'s events and figures are those of $.ssh', async () => {
    const pool = SSHConnectionPool.getInstance()
    await pool.closeAll()
    const created: string[] = []
    const listener = (host: string): void => { created.push(host) }
    pool.on('connection:created', listener)
    const before = pool.getStats().totalConnections
    await $.ssh(target)`true`
    expect(pool.getStats().totalConnections).toBe(before + 1)
    await $.ssh(target)`true`
    expect(pool.getStats().totalConnections).toBe(before + 1)
    pool.off('connection:created', listener)
    expect(created).toEqual(['127.0.0.1'])
  })
})

describe('core\'s global $', () => {
  it('can be installed into and restored', async () => {
    const { adapter, uninstall: restore } = install(core.$)
    expect(core.$.getAdapter('ssh')).toBe(adapter)
    expect(await core.$.ssh(target)`echo global`.text()).toBe('global')
    await restore()
    expect(core.$.getAdapter('ssh')).toBeInstanceOf(core.SSHAdapter)
  })
})

describe('the ready $', () => {
  it('runs over SSH and locally', async () => {
    expect(await ready.ssh(target)`id -un`.text()).toBe(TEST_USER)
    expect(await ready`echo local`.text()).toBe('local')
    expect(core.$.getAdapter('ssh')).not.toBe(ready.getAdapter('ssh'))
  })

  it('$.with({ adapter: instance }).ssh(...) runs over that instance', async () => {
    const adapter = new SSHAdapter()
    const mine = ready.with({ adapter })
    expect(await mine.ssh(target)`echo mine`.text()).toBe('mine')
    expect(await mine.cd('/usr').ssh(target)`pwd`.text()).toBe('/usr')
    expect(adapter.getConnectionPoolMetrics()).toMatchObject({ connectionsCreated: 1, reuseCount: 1 })
    expect(ready.getAdapter('ssh')).not.toBe(adapter)
    await adapter.dispose()
  })

  it('$.defaults() keeps the adapter, with the new defaults', async () => {
    const engine = createEngine().defaults({ timeout: 200 })
    expect(engine.getAdapter('ssh')).toBeInstanceOf(SSHAdapter)
    await expect(direct(engine, 'sleep 300')).rejects.toBeInstanceOf(core.TimeoutError)
  })

  it('require and import give the same', () => {
    const required = createRequire(__filename)('../../xec.js') as { $: unknown; install: unknown }
    expect(required.install).toBe(install)
    expect(required.$).toBe(ready)
  })
})
