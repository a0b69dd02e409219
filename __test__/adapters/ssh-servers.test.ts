import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Dropbear } from '../support/dropbear'
import { type AdapterCommand, type ExecutionResult, SSHAdapter, type SSHTarget } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { freePort } from '../support/ports'
import { PythonServer } from '../support/python-servers'
import { exchange, listen } from '../support/sockets'

/** Every method of the adapter on every kind of server, held against the same table: what a caller sees is alike everywhere. */

interface Remote {
  target: (extra?: Partial<SSHTarget>) => SSHTarget
  stop: () => Promise<void>
}

const SERVERS: [name: string, start: () => Promise<Remote>][] = [
  ['OpenSSH', () => OpenSSHServer.start()],
  ['dropbear', () => Dropbear.start('127.0.0.1')],
  ['asyncssh', () => PythonServer.start('asyncssh')],
  ['paramiko', () => PythonServer.start('paramiko')],
]

/** What a case works with. */
interface Scene {
  adapter: SSHAdapter
  target: (extra?: Partial<SSHTarget>) => SSHTarget
  run: (command: string, extra?: Partial<AdapterCommand>, target?: Partial<SSHTarget>) => Promise<ExecutionResult>
  /** Anybody may write there, the server's user too. */
  directory: string
  echoPort: number
}

interface Case {
  method: string
  what: string
  act: (scene: Scene) => Promise<unknown>
  outcome: unknown
}

const fields = ({ stdout, stderr, exitCode, signal, ok, adapter }: ExecutionResult): unknown => ({ stdout, stderr, exitCode, signal, ok, adapter })
const ended = (extra: object = {}): object => ({ stdout: '', stderr: '', exitCode: 0, signal: undefined, ok: true, adapter: 'ssh', ...extra })
const at = (method: string, what: string, act: Case['act'], outcome: unknown): Case => ({ method, what, act, outcome })
const execute = (what: string, command: string, extra: Partial<AdapterCommand>, outcome: unknown): Case =>
  at('execute', what, async ({ run }) => fields(await run(command, extra)), outcome)
const thrown = (name: string, kind: string, cause?: string): object => ({ thrown: { name, kind, cause } })

const CASES: Case[] = [
  execute('output as it is', 'printf "a\\n b "; printf "\\tc" >&2', {}, ended({ stdout: 'a\n b ', stderr: '\tc' })),
  execute('arguments are data', 'printf %s:', { args: ['$HOME', 'it\'s', '`id`'] }, ended({ stdout: '$HOME:it\'s:`id`:' })),
  execute('directory and environment', 'pwd; echo "$A"', { cwd: '/usr', env: { A: 'it\'s "q" $B' } }, ended({ stdout: '/usr\nit\'s "q" $B\n' })),
  execute('input: text', 'cat', { stdin: 'text' }, ended({ stdout: 'text' })),
  execute('input: bytes', 'wc -c | tr -d " "', { stdin: Buffer.alloc(300_000) }, ended({ stdout: '300000\n' })),
  at('execute', 'input: a stream', async ({ run }) => fields(await run('cat', { stdin: Readable.from(['one', 'two']) })), ended({ stdout: 'onetwo' })),
  execute('no input is an end', 'cat; echo over', {}, ended({ stdout: 'over\n' })),
  execute('a status that is thrown', 'echo out; echo err >&2; exit 3', {}, thrown('CommandError', 'command-failed')),
  execute('one that is not', 'echo out; exit 3', { nothrow: true }, ended({ stdout: 'out\n', exitCode: 3, ok: false })),
  execute('a signal', 'kill -TERM $$', { nothrow: true }, ended({ exitCode: 143, signal: 'SIGTERM', ok: false })),
  execute('no such command', 'no-such-command-here 2>/dev/null', { nothrow: true }, ended({ exitCode: 127, ok: false })),
  execute('a timeout', 'sleep 60', { timeout: 200 }, thrown('TimeoutError', 'timeout', 'ETIMEDOUT')),
  at('execute', 'a timeout that is not thrown', async ({ run }) => {
    const { exitCode, ok, signal } = await run('sleep 60', { timeout: 200, nothrow: true })
    return { exitCode, ok, signal }
  }, { exitCode: 124, ok: false, signal: 'SIGTERM' }),
  execute('aborted before', 'true', { signal: AbortSignal.abort() }, thrown('AdapterError', 'unknown', 'ABORT_ERR')),
  at('execute', 'aborted while it runs', async ({ run }) => {
    const { exitCode, ok, stdout } = await run('echo begun; sleep 60', { signal: AbortSignal.timeout(500), nothrow: true })
    return { exitCode, ok, stdout }
  }, { exitCode: 143, ok: false, stdout: 'begun\n' }),
  execute('too much', 'yes', { maxBuffer: 1000 }, thrown('AdapterError', 'unknown', 'EMAXBUFFER')),
  execute('secrets', 'echo password=hunter2hunter2', {}, ended({ stdout: 'password=[REDACTED]\n' })),
  at('execute', 'output to a stream', async ({ run }) => {
    const stdout = new PassThrough()
    const [result, all] = await Promise.all([run('seq 3', { stdout }), text(stdout)])
    return [result.stdout, all]
  }, ['', '1\n2\n3\n']),
  at('execute', 'live', async ({ run }) => {
    const input = new PassThrough()
    const seen: string[] = []
    const result = await run('echo first; read answer; echo "got $answer"', {
      stdin: input,
      onSpawn: ({ stdout }) => {
        stdout.setEncoding('utf8').on('data', (piece: string) => {
          if (seen.push(piece) === 1) input.end('it\n')
        })
      },
    })
    return [result.stdout, seen.join('')]
  }, ['first\ngot it\n', 'first\ngot it\n']),
  at('execute', 'forty at once', async ({ run }) => {
    const all = await Promise.all(Array.from({ length: 40 }, (_, i) => run(`echo ${i}`)))
    return all.every(({ stdout }, i) => stdout === `${i}\n`)
  }, true),
  at('execute', 'a login that is refused', ({ run }) => run('true', {}, { password: 'wrong', privateKey: undefined }), thrown('ConnectionError', 'authentication', 'EAUTH')),
  at('execute', 'nobody there', async ({ run }) => run('true', {}, { port: await freePort() }), thrown('ConnectionError', 'connection-refused', 'ECONNREFUSED')),
  at('execute', 'a strange host key', ({ run }) => run('true', {}, { hostKeyChecking: 'strict', knownHostsPath: '/nowhere/known_hosts' }), thrown('ConnectionError', 'host-key-mismatch', 'EHOSTKEY')),
  at('execute', 'no target', ({ adapter }) => adapter.execute({ command: 'true' }), thrown('AdapterError', 'invalid-usage')),
  at('uploadFile', 'makes the directories', async ({ adapter, target, directory }) => {
    writeFileSync(join(directory, 'here'), 'sent')
    await adapter.uploadFile(join(directory, 'here'), join(directory, 'new/deep/there'), target())
    return readFileSync(join(directory, 'new/deep/there'), 'utf8')
  }, 'sent'),
  at('uploadFile', 'that is not there', ({ adapter, target, directory }) => adapter.uploadFile(join(directory, 'void'), join(directory, 'x'), target()), thrown('AdapterError', 'not-found', 'ENOENT')),
  at('downloadFile', 'as it is', async ({ adapter, target, directory }) => {
    writeFileSync(join(directory, 'there'), Buffer.alloc(1_000_000, 'xy'))
    await adapter.downloadFile(join(directory, 'there'), join(directory, 'here'), target())
    return readFileSync(join(directory, 'here')).equals(Buffer.alloc(1_000_000, 'xy'))
  }, true),
  at('downloadFile', 'that is not there', ({ adapter, target, directory }) => adapter.downloadFile(join(directory, 'void'), join(directory, 'x'), target()), thrown('AdapterError', 'not-found', 'ENOENT')),
  at('uploadDirectory', 'dotfiles and empty ones too', async ({ adapter, target, directory }) => {
    mkdirSync(join(directory, 'from/empty'), { recursive: true })
    for (const name of ['plain', '.hidden']) writeFileSync(join(directory, 'from', name), name)
    await adapter.uploadDirectory(join(directory, 'from'), join(directory, 'to'), target())
    return [readdirSync(join(directory, 'to')).sort(), readFileSync(join(directory, 'to/.hidden'), 'utf8')]
  }, [['.hidden', 'empty', 'plain'], '.hidden']),
  at('tunnel', 'to the host of the last command', async ({ adapter, run, echoPort }) => {
    await run('true')
    const tunnel = await adapter.tunnel({ remoteHost: '127.0.0.1', remotePort: echoPort })
    const { isOpen, localHost, remoteHost, remotePort } = tunnel
    const answer = await exchange(tunnel.localPort, 'through')
    await tunnel.close()
    return [isOpen, localHost, remoteHost, remotePort === echoPort, answer, tunnel.isOpen]
  }, [true, '127.0.0.1', '127.0.0.1', true, 'through', false]),
  at('tunnel', 'without a host', ({ adapter, echoPort }) => adapter.tunnel({ remoteHost: '127.0.0.1', remotePort: echoPort }), thrown('AdapterError', 'invalid-usage')),
  at('reverseTunnel', 'at a port of the server\'s choice', async ({ adapter, target, echoPort }) => {
    const tunnel = await adapter.reverseTunnel({ remotePort: 0, localHost: '127.0.0.1', localPort: echoPort }, target())
    const answer = await exchange(tunnel.remotePort, 'back')
    await tunnel.close()
    return [tunnel.remotePort > 0, answer, tunnel.isOpen]
  }, [true, 'back', false]),
  at('portForward', 'of one port', async ({ adapter, target, echoPort }) => {
    const localPort = await freePort()
    await adapter.portForward(target(), localPort, echoPort, '127.0.0.1')
    return [await exchange(localPort, 'forwarded'), adapter.activeTunnels.size]
  }, ['forwarded', 1]),
  at('portForward', 'in core\'s order of words', async ({ adapter, target, echoPort }) => {
    const localPort = await freePort()
    await adapter.portForward(localPort, '127.0.0.1', echoPort, target())
    return exchange(localPort, 'forwarded')
  }, 'forwarded'),
  at('activeTunnels', 'are those that are open', async ({ adapter, target, echoPort }) => {
    const counts = [adapter.activeTunnels.size]
    const tunnel = await adapter.tunnel({ remoteHost: '127.0.0.1', remotePort: echoPort }, target())
    counts.push(adapter.activeTunnels.size)
    await tunnel.close()
    return [...counts, adapter.activeTunnels.size]
  }, [0, 1, 0]),
  at('getConnectionPoolMetrics', 'count', async ({ adapter, run }) => {
    for (let i = 0; i < 3; i++) await run('true')
    const { activeConnections, idleConnections, totalConnections, connectionsCreated, connectionsDestroyed, connectionsFailed, reuseCount, averageUseCount } = adapter.getConnectionPoolMetrics()
    return { activeConnections, idleConnections, totalConnections, connectionsCreated, connectionsDestroyed, connectionsFailed, reuseCount, averageUseCount }
  }, { activeConnections: 0, idleConnections: 1, totalConnections: 1, connectionsCreated: 1, connectionsDestroyed: 0, connectionsFailed: 0, reuseCount: 2, averageUseCount: 3 }),
  at('getPoolMetrics', 'is the same', async ({ adapter, run }) => {
    await run('true')
    return [adapter.getPoolMetrics().connectionsCreated, adapter.getConnectionPoolMetrics().connectionsCreated]
  }, [1, 1]),
  at('updateConfig', 'changes what follows', async ({ adapter, run }) => {
    adapter.updateConfig({ throwOnNonZeroExit: false, defaultTimeout: 300 })
    return [(await run('exit 4')).exitCode, await settled(run('sleep 60'))]
  }, [4, thrown('TimeoutError', 'timeout', 'ETIMEDOUT')]),
  at('getConfig', 'is a copy', ({ adapter }) => {
    Object.assign(adapter.getConfig(), { defaultTimeout: 1 })
    return Promise.resolve(adapter.getConfig().defaultTimeout)
  }, 120_000),
  at('isAvailable', 'always', ({ adapter }) => adapter.isAvailable(), true),
  at('dispose', 'closes all, and it can be used again', async ({ adapter, run, target, echoPort }) => {
    await run('true')
    const tunnel = await adapter.tunnel({ remoteHost: '127.0.0.1', remotePort: echoPort }, target())
    await adapter.dispose()
    const after = [tunnel.isOpen, adapter.activeTunnels.size, adapter.getPoolMetrics().totalConnections]
    await adapter.dispose()
    return [...after, (await run('echo again')).stdout]
  }, [false, 0, 0, 'again\n']),
  at('dispose', 'ends what runs', ({ adapter, run }) => run('echo begun; exec sleep 60', {
    onSpawn: ({ stdout }) => { stdout.once('data', () => { void adapter.dispose() }) },
  }), thrown('AdapterError', 'invalid-usage', 'EPOOLCLOSED')),
  at('onFiltered', 'by patterns and by what an event has', async ({ adapter, run, target }) => {
    const seen: string[] = []
    const { host } = target()
    adapter.onFiltered('ssh:*', ({ adapter: name }: { adapter: string }) => { seen.push(`any of ${name}`) })
    adapter.onFiltered('ssh:execute', { host }, ({ command }: { command: string }) => { seen.push(command) })
    adapter.onFiltered('ssh:execute', { host: 'elsewhere' }, () => { seen.push('elsewhere') })
    adapter.onFiltered('*:open', { adapter: ['local', 'ssh'] }, () => { seen.push('open') })
    await run('echo 1')
    return seen
  }, ['any of ssh', 'echo 1', 'any of ssh', 'open', 'any of ssh']),
  at('offFiltered', 'undoes one', async ({ adapter, run }) => {
    const seen: string[] = []
    const listeners = [(): void => { seen.push('one') }, (): void => { seen.push('other') }] as const
    for (const listener of listeners) adapter.onFiltered('ssh:ex*', listener)
    adapter.offFiltered('ssh:ex*', listeners[0]).offFiltered('ssh:execute', listeners[1])
    await run('true')
    return [seen, adapter.listenerCount('ssh:execute')]
  }, [['other'], 1]),
  at('withConnection', 'the pool\'s own, for as long as it takes', ({ adapter, target }) =>
    adapter.withConnection(target(), async (connection) => [(await connection.exec('echo lent')).stdout, await connection.isHealthy()]), ['lent\n', true]),
  at('removeConnection', 'says how many there were, and the next command has a new one', async ({ adapter, target, run }) => {
    await run('true')
    const closed = once(adapter, 'connection:close')
    const removed = await adapter.removeConnection(target())
    await closed
    return [removed, (await run('echo again')).stdout]
  }, [1, 'again\n']),
  at('emitEnhanced', 'adds what every event has', ({ adapter }) => {
    const seen: unknown[] = []
    adapter.on('ssh:execute', ({ host, command, adapter: name, timestamp }) => { seen.push(host, command, name, timestamp instanceof Date) })
    adapter.emitEnhanced('ssh:execute', { host: 'h', command: 'c' }, 'mine')
    return Promise.resolve(seen)
  }, ['h', 'c', 'mine', true]),
  at('on', 'the events of a tunnel', async ({ adapter, target, echoPort }) => {
    const seen: string[] = []
    for (const name of ['ssh:tunnel-created', 'tunnel:created', 'ssh:tunnel-closed'] as const) {
      adapter.on(name, ({ remoteHost, remotePort }) => { seen.push(`${name} ${remoteHost} ${remotePort === echoPort}`) })
    }
    await (await adapter.tunnel({ remoteHost: '127.0.0.1', remotePort: echoPort }, target())).close()
    return seen
  }, ['ssh:tunnel-created 127.0.0.1 true', 'tunnel:created 127.0.0.1 true', 'ssh:tunnel-closed 127.0.0.1 true']),
  at('on', 'the events of a command\'s life, in their order', async ({ adapter, run }) => {
    const seen: string[] = []
    const names = ['ssh:connect', 'connection:open', 'ssh:execute', 'connection:close', 'ssh:disconnect'] as const
    for (const name of names) adapter.on(name, (event: { adapter: string }) => { seen.push(`${name} of ${event.adapter}`) })
    await run('true')
    await run('true')
    const closed = once(adapter, 'connection:close')
    await adapter.dispose()
    await closed
    return seen
  }, ['ssh:execute', 'ssh:connect', 'connection:open', 'ssh:execute', 'ssh:disconnect', 'connection:close'].map((name) => `${name} of ssh`)),
]

/** How it ended, as far as a program can tell the servers apart by it. */
async function settled(work: Promise<unknown>): Promise<unknown> {
  return work.catch((error: unknown) => {
    const { name, kind, cause } = error as { name: string; kind: string; cause?: { code?: string } }
    return { thrown: { name, kind, cause: cause?.code } }
  })
}

describe.each(SERVERS)('the adapter on %s', (_name, start) => {
  let server: Remote
  let echo: { server: Server; port: number }
  let adapter: SSHAdapter
  let directory: string

  beforeAll(async () => {
    server = await start()
    echo = await listen((socket) => { socket.pipe(socket) })
    // The host key is on file before it is asked for by name.
    await new SSHAdapter().execute({ command: 'true', adapterOptions: { type: 'ssh', ...server.target() } })
  })
  afterAll(async () => {
    echo.server.close()
    await server.stop()
  })
  beforeEach(() => {
    adapter = new SSHAdapter()
    directory = mkdtempSync(join(tmpdir(), 'xec-adapter-'))
    chmodSync(directory, 0o777)
  })
  afterEach(async () => {
    await adapter.dispose()
    rmSync(directory, { recursive: true })
    expect(existsSync(directory)).toBe(false)
  })

  it.each(CASES.map((entry) => [`${entry.method}: ${entry.what}`, entry] as const))('%s', async (_what, { act, outcome }) => {
    const target = (extra: Partial<SSHTarget> = {}): SSHTarget => server.target(extra)
    const run: Scene['run'] = (command, extra = {}, changed = {}) =>
      adapter.execute({ command, adapterOptions: { type: 'ssh', ...target(changed) }, ...extra })
    expect(await settled(act({ adapter, target, run, directory, echoPort: echo.port }))).toEqual(outcome)
  })
})

describe('the table', () => {
  it('has every public method', () => {
    const ours: object = SSHAdapter.prototype
    const methods = [ours, Object.getPrototypeOf(ours) as object].flatMap(Object.getOwnPropertyNames)
    const tested = new Set([...CASES.map(({ method }) => method), 'constructor', 'listenersChanged'])
    expect(methods.filter((name) => !tested.has(name))).toEqual([])
  })

  it('has every method that core declares as public', () => {
    const declared = ['adapters/ssh/index', 'adapters/base-adapter', 'utils/event-emitter'].map((file) =>
      readFileSync(join(__dirname, `../../node_modules/@xec-sh/core/dist/${file}.d.ts`), 'utf8').split('export declare').find((text) => /^ (?:abstract )?class/.test(text)) ?? '')
    const names = declared.flatMap((text) => [...text.matchAll(/^ {4}(?:abstract )?([a-z]\w*)[(<]/gmi)].map((match) => match[1] ?? ''))
    expect(names.length).toBeGreaterThan(15)
    expect(names.filter((name) => name !== 'constructor' && !(name in SSHAdapter.prototype))).toEqual([])
  })
})
