import { Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type AdapterCommand, AdapterError, CommandError, ConnectionError, ExecutionError, type SSHAdapterConfig, SSHAdapter, TimeoutError,
} from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { isRunning } from '../support/processes'
import { exchange } from '../support/sockets'
import { until } from '../support/wait'

let server: OpenSSHServer
let adapter: SSHAdapter

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })
beforeEach(() => { adapter = new SSHAdapter() })
afterEach(async () => { await adapter.dispose() })

const command = (line: string, extra: Partial<AdapterCommand> = {}): AdapterCommand =>
  ({ command: line, adapterOptions: { type: 'ssh', ...server.target() }, ...extra })

const run = (line: string, extra: Partial<AdapterCommand> = {}): ReturnType<SSHAdapter['execute']> =>
  adapter.execute(command(line, extra))

async function failure<T extends Error>(type: abstract new (...args: never[]) => T, promise: Promise<unknown>): Promise<T> {
  const error: unknown = await promise.then(() => new Error('it resolved'), (reason: unknown) => reason)
  if (error instanceof type) return error
  throw new Error(`expected a ${type.name}`, { cause: error })
}

describe('result', () => {
  it('has every field of the contract', async () => {
    const result = await run('echo out; echo err >&2')
    expect(result).toMatchObject({
      stdout: 'out\n', stderr: 'err\n', exitCode: 0, ok: true, command: 'echo out; echo err >&2', adapter: 'ssh',
      host: `127.0.0.1:${server.port}`, startedAt: expect.any(Date) as Date, finishedAt: expect.any(Date) as Date,
    })
    expect(result.cause).toBeUndefined()
    expect(result.duration).toBe(result.finishedAt.getTime() - result.startedAt.getTime())
    expect(result.toMetadata()).toMatchObject({ exitCode: 0, startedAt: result.startedAt.toISOString() })
    expect(() => { result.throwIfFailed() }).not.toThrow()
  })

  it('text, lines, json, buffer', async () => {
    const result = await run(String.raw`printf '\n[1,\n\n2]\n'`)
    expect(result.text()).toBe('[1,\n\n2]')
    expect(result.lines()).toEqual(['[1,', '2]'])
    expect(result.json()).toEqual([1, 2])
    expect(result.buffer()).toEqual(Buffer.from('\n[1,\n\n2]\n'))
  })

  it('keeps binary output in buffer() and binary input in stdin', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    const result = await run('cat', { stdin: bytes })
    expect(result.buffer()).toEqual(bytes)
  })

  it('stdall in the order of arrival, also in a copy', async () => {
    const result = await run('echo 1; sleep 0.1; echo 2 >&2; sleep 0.1; echo 3')
    expect(result.stdall).toBe('1\n2\n3\n')
    expect({ ...result }).toMatchObject({ stdall: '1\n2\n3\n', stdout: '1\n3\n' })
  })

  it('signals: 128 + n and the name', async () => {
    expect(await run('kill -9 $$', { nothrow: true })).toMatchObject({ exitCode: 137, signal: 'SIGKILL', ok: false, cause: 'signal: SIGKILL' })
  })
})

describe('a status other than 0', () => {
  it('throws on a direct call', async () => {
    const error = await failure(CommandError, run('echo half; exit 4'))
    expect(error).toMatchObject({ name: 'CommandError', code: 'COMMAND_FAILED', kind: 'command-failed', exitCode: 4, stdout: 'half\n' })
    expect(error).toBeInstanceOf(ExecutionError)
  })

  it.each<[string, Partial<AdapterCommand>, SSHAdapterConfig]>([
    ['nothrow', { nothrow: true }, {}],
    ['the command says so', { throwOnNonZeroExit: false }, {}],
    ['the configuration says so', {}, { throwOnNonZeroExit: false }],
    ['a promise of core will judge it', { __fromProcessPromise: true }, {}],
  ])('resolves when %s', async (_why, extra, config) => {
    adapter.updateConfig(config)
    expect(await run('exit 4', extra)).toMatchObject({ exitCode: 4, ok: false, cause: 'exitCode: 4' })
  })

  it('nothrow: false wins over the configuration', async () => {
    adapter.updateConfig({ throwOnNonZeroExit: false })
    await failure(CommandError, run('exit 4', { nothrow: false }))
  })
})

describe('the command line', () => {
  it('quotes each argument', async () => {
    const args = ['a b', '$HOME', '`id`', '; echo injected', "it's", '', '*', '-n', 'ü', 'a\nb']
    const result = await run('printf', { args: ['<%s>', ...args] })
    expect(result.stdout).toBe(args.map((arg) => `<${arg}>`).join(''))
  })

  it('env and cwd, from the command over the configuration', async () => {
    adapter.updateConfig({ defaultEnv: { A: 'config', B: 'config' }, defaultCwd: '/usr' })
    const script = 'echo $A $B; pwd'
    expect((await run(script, { env: { B: 'command' } })).stdout).toBe('config command\n/usr\n')
    expect((await run(script, { cwd: '/tmp' })).stdout).toBe('config config\n/tmp\n')
  })

  it('a missing cwd fails the command', async () => {
    const result = await run('echo ran', { cwd: '/no/such/dir', nothrow: true })
    expect(result).toMatchObject({ ok: false, stdout: '' })
  })

  it('stdin as string and stream', async () => {
    expect((await run('cat', { stdin: 'text' })).stdout).toBe('text')
    expect((await run('cat', { stdin: Readable.from(['a', 'b']) })).stdout).toBe('ab')
  })
})

describe('timeout and abort', () => {
  it('a TimeoutError in core\'s shape', async () => {
    const error = await failure(TimeoutError, run('sleep 300', { timeout: 300 }))
    expect(error).toMatchObject({ code: 'TIMEOUT', kind: 'timeout', timeout: 300, command: 'sleep 300', phase: 'run', reached: true })
  })

  it('nothrow: exit 124 with what had arrived', async () => {
    const result = await run('echo $$; exec sleep 300', { timeout: 300, nothrow: true })
    expect(result).toMatchObject({ exitCode: 124, signal: 'SIGTERM', ok: false })
    expect(result.stderr).toContain('300')
    const pid = Number(result.stdout)
    expect(pid).toBeGreaterThan(1)
    await until('the remote process has ended', () => !isRunning(pid))
  })

  it('the configuration\'s timeout is for commands without their own', async () => {
    adapter.updateConfig({ defaultTimeout: 200 })
    await failure(TimeoutError, run('sleep 300'))
    expect(await run('sleep 0.5; echo fine', { timeout: 0 })).toMatchObject({ stdout: 'fine\n' })
  })

  it('abort rejects, or with nothrow ends with 143', async () => {
    const error = await failure(AdapterError, run('sleep 300', { signal: AbortSignal.timeout(200) }))
    expect(error).toMatchObject({ code: 'ADAPTER_ERROR', originalError: { code: 'ABORT_ERR' } })
    expect(await run('sleep 300', { signal: AbortSignal.timeout(200), nothrow: true })).toMatchObject({ exitCode: 143, signal: 'SIGTERM' })
  })
})

describe('errors', () => {
  it('no SSH options', async () => {
    const error = await failure(AdapterError, adapter.execute({ command: 'true' }))
    expect(error.message).toBe('Adapter \'ssh\' failed during \'execute\': SSH connection options not provided')
    expect(error.kind).toBe('invalid-usage')
  })

  it.each([
    ['refused', { port: 1 }, 'connection-refused', 'ECONNREFUSED'],
    ['unknown host', { host: 'no-such-host.invalid' }, 'connection-refused', 'ENOTFOUND'],
    ['wrong password', { privateKey: undefined, password: 'wrong' }, 'authentication', 'EAUTH'],
    ['bad option', { port: 0 }, 'invalid-usage', 'EINVAL_OPTION'],
    ['bad option in a group', { sudo: { enabled: true, user: 'a b' } }, 'invalid-usage', 'EINVAL_OPTION'],
    ['jump host', { jumpHost: { host: '127.0.0.1', port: 1, username: 'x', password: 'x' } }, 'connection-refused', 'EJUMPHOST'],
  ])('%s is a ConnectionError with its kind', async (_name, extra, kind, code) => {
    const target = server.target(extra)
    const error = await failure(ConnectionError, adapter.execute({ command: 'true', adapterOptions: { type: 'ssh', ...target } }))
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED', kind, host: target.host, originalError: { code } })
    expect(error.message).toMatch(new RegExp(`^Failed to connect to ${target.host}: `))
    expect(error.cause).toBe(error.originalError)
  })

  it('a bad environment name is an AdapterError that names it', async () => {
    const error = await failure(AdapterError, run('true', { env: { 'A B': 'x' } }))
    expect(error).toMatchObject({ kind: 'invalid-usage', originalError: { code: 'EINVAL_OPTION', option: 'env["A B"]' } })
  })

  it('too much output', async () => {
    const error = await failure(AdapterError, run('yes', { maxBuffer: 100 }))
    expect(error).toMatchObject({ originalError: { code: 'EMAXBUFFER', stream: 'stdout', limit: 100 } })
  })

})

describe('tunnels', () => {
  it('without a command before and without a target there is nothing to tunnel through', async () => {
    await using fresh = new SSHAdapter()
    const error = await failure(AdapterError, fresh.tunnel({ remoteHost: 'localhost', remotePort: 1 }))
    expect(error.message).toMatch(/No SSH connection available/)
  })

  it('go to the host of the last command, are announced, and end with dispose', async () => {
    const seen: unknown[] = []
    for (const name of ['ssh:tunnel-created', 'tunnel:created', 'ssh:tunnel-closed'] as const) adapter.on(name, (event) => seen.push([name, event.localPort, event.remotePort]))
    await run('true')
    const tunnel = await adapter.tunnel({ remoteHost: 'localhost', remotePort: server.port })
    expect(await exchange(tunnel.localPort, '')).toMatch(/^SSH-2\.0/)
    const reverse = await adapter.reverseTunnel({ remotePort: 0, localPort: server.port })
    expect(await exchange(reverse.remotePort, '')).toMatch(/^SSH-2\.0/)
    expect(adapter.activeTunnels.size).toBe(2)
    await reverse.close()
    await reverse.close()
    await adapter.dispose()
    expect(tunnel.isOpen).toBe(false)
    expect(adapter.activeTunnels.size).toBe(0)
    expect(seen.slice(0, 2)).toEqual([['ssh:tunnel-created', tunnel.localPort, server.port], ['tunnel:created', tunnel.localPort, server.port]])
    expect(seen.filter((entry) => Array.isArray(entry) && entry[0] === 'ssh:tunnel-closed')).toHaveLength(2)
  })
})

describe('masking', () => {
  const secret = 'hunter2hunter2'

  it('hides secrets in output, command, errors and events', async () => {
    const commands: string[] = []
    adapter.on('ssh:execute', (event) => commands.push(event.command))
    const result = await run(`echo password=${secret}; echo token: ${secret} >&2; exit 1`, { nothrow: true })
    const error = await failure(CommandError, run(`false --password ${secret}`))
    for (const text of [result.stdout, result.stderr, result.stdall, result.command, result.buffer().toString(), error.message, ...commands]) {
      expect(text).toContain('[REDACTED]')
      expect(text).not.toContain(secret)
    }
  })

  it('can be switched off', async () => {
    adapter.updateConfig({ sensitiveDataMasking: { enabled: false } })
    expect((await run(`echo password=${secret}`)).stdout).toBe(`password=${secret}\n`)
  })

  it('takes own patterns and replacement', async () => {
    adapter.updateConfig({ sensitiveDataMasking: { patterns: [/card-\d+/], replacement: '***' } })
    expect((await run('echo card-123 and card-4')).stdout).toBe('*** and ***\n')
  })
})

describe('life', () => {
  it('metrics count busy and free connections', async () => {
    await run('true')
    await run('true')
    expect(adapter.getConnectionPoolMetrics()).toMatchObject({
      totalConnections: 1, activeConnections: 0, idleConnections: 1, connectionsCreated: 1, connectionsDestroyed: 0,
      connectionsFailed: 0, reuseCount: 1, averageUseCount: 2, lastCleanup: null,
    })
    const busy = run('sleep 0.3')
    await until('the command runs', () => adapter.getConnectionPoolMetrics().activeConnections === 1)
    await busy
    expect(adapter.getPoolMetrics()).toEqual(adapter.getConnectionPoolMetrics())
  })

  it('dispose closes, may be called twice, and the adapter works again afterwards', async () => {
    await run('true')
    await adapter.dispose()
    await adapter.dispose()
    expect(adapter.getConnectionPoolMetrics()).toMatchObject({ totalConnections: 0, connectionsDestroyed: 1 })
    expect((await run('echo again')).stdout).toBe('again\n')
  })

  it('isAvailable, name, adapterName, activeTunnels', async () => {
    expect(await adapter.isAvailable()).toBe(true)
    expect([adapter.name, adapter.adapterName, adapter.activeTunnels.size]).toEqual(['ssh', 'ssh', 0])
  })

  it('connectionPool settings reach the pool', async () => {
    adapter.updateConfig({ connectionPool: { maxConnections: 1, channelsPerConnection: 1 } })
    await Promise.all([run('sleep 0.1'), run('sleep 0.1'), run('sleep 0.1')])
    expect(adapter.getConnectionPoolMetrics().connectionsCreated).toBe(1)
  })

  it('defaultConnectOptions fill in what a target leaves out', async () => {
    const { username, privateKey, ...rest } = server.target()
    adapter.updateConfig({ defaultConnectOptions: { username, privateKey, readyTimeout: 5_000 } })
    const result = await adapter.execute({ command: 'id -un', adapterOptions: { type: 'ssh', ...rest } })
    expect(result.text()).toBe(username)
  })
})

describe('events', () => {
  it('core\'s names with their data, a time and the adapter', async () => {
    const seen: [string, Record<string, unknown>][] = []
    const names = ['ssh:connect', 'connection:open', 'ssh:execute', 'ssh:pool-metrics', 'ssh:disconnect', 'connection:close'] as const
    for (const name of names) adapter.on(name, (event: object) => seen.push([name, { ...event }]))
    await run('echo hello')
    await adapter.dispose()
    const { port, host, username } = server.target()
    const event = (name: string, data: object): unknown =>
      [name, expect.objectContaining({ ...data, adapter: 'ssh', timestamp: expect.any(Date) as Date })]
    expect(seen).toEqual([
      event('ssh:execute', { host, command: 'echo hello' }),
      event('ssh:connect', { host, port, username }),
      event('connection:open', { host, port, type: 'ssh', metadata: { username } }),
      event('ssh:pool-metrics', { metrics: expect.objectContaining({ totalConnections: 1 }) as object }),
      event('ssh:disconnect', { host, reason: expect.any(String) as string }),
      event('connection:close', { host, port, type: 'ssh', reason: expect.any(String) as string }),
    ])
  })

  it('ssh:pool-cleanup when idle connections are closed', async () => {
    adapter.updateConfig({ connectionPool: { idleTimeout: 50 } })
    const cleaned = new Promise<{ cleaned: number; remaining: number }>((resolve) => adapter.once('ssh:pool-cleanup', resolve))
    await run('true')
    expect(await cleaned).toMatchObject({ cleaned: 1, remaining: 0, adapter: 'ssh' })
  })

  it('ssh:reconnect when a lost connection is replaced', async () => {
    const seen: string[] = []
    adapter.on('ssh:reconnect', ({ host }) => seen.push(`reconnect ${host}`))
    await run('true')
    const lost = failure(AdapterError, run('sleep 300'))
    await server.runs('sleep')
    const gone = new Promise((resolve) => adapter.once('ssh:disconnect', resolve))
    server.killConnections()
    expect(await lost).toMatchObject({ kind: 'connection-lost', reached: true })
    // Before that, the pool only suspects it, and a new connection is one more.
    await gone
    await run('true')
    expect(seen).toEqual(['reconnect 127.0.0.1'])
  })
})
