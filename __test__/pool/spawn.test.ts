import { once } from 'node:events'
import { createHash } from 'node:crypto'
import { PassThrough, Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { SSHConnectionPool } from '../../index.mjs'
import { failureOf } from '../support/failure'
import { OpenSSHServer } from '../support/openssh'
import { until } from '../support/wait'

let server: OpenSSHServer
let pool: SSHConnectionPool

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })
beforeEach(() => { pool = new SSHConnectionPool() })
afterEach(async () => { await pool.dispose() })

describe('spawn', () => {
  it('gives lines while the command runs', async () => {
    const process = pool.spawn(server.target(), 'echo first; read answer; echo "got $answer"; echo last >&2; printf unended')
    const seen: string[] = []
    for await (const line of process) {
      if (seen.push(line) === 1) process.stdin.end('yes\n')
    }
    expect(seen).toEqual(['first', 'got yes', 'unended'])
    expect(await process.done).toMatchObject({ exitCode: 0, ok: true, host: '127.0.0.1' })
  })

  it('keeps stdout and stderr apart, and says how it ended', async () => {
    const process = pool.spawn(server.target(), 'echo out; echo err >&2; kill -USR1 $$')
    const [stdout, stderr] = await Promise.all([text(process.stdout), text(process.stderr)])
    expect({ stdout, stderr }).toEqual({ stdout: 'out\n', stderr: 'err\n' })
    expect(await process.done).toMatchObject({ exitCode: 138, signal: 'SIGUSR1', ok: false })
  })

  it('carries bytes both ways unchanged, with a reader slower than the server', async () => {
    const bytes = Buffer.alloc(24 * 1024 * 1024, 'some text, not so short that it repeats quickly ')
    const process = pool.spawn(server.target(), 'cat', { stdin: Readable.from([bytes.subarray(0, 5), bytes.subarray(5)]) })
    const hash = createHash('sha256')
    let received = 0
    for await (const chunk of process.stdout as AsyncIterable<Buffer>) {
      hash.update(chunk)
      received += chunk.length
      await new Promise(setImmediate)
    }
    expect({ received, digest: hash.digest('hex') })
      .toEqual({ received: bytes.length, digest: createHash('sha256').update(bytes).digest('hex') })
    expect(await process.done).toMatchObject({ exitCode: 0 })
  })

  it('a stream that nobody reads holds up its own command and nobody else, and can still be ended', async () => {
    const unread = [0, 1, 2].map(() => pool.spawn(server.target(), 'yes'))
    await server.runs('yes', 3)
    const results = await Promise.all(Array.from({ length: 50 }, (_, n) => pool.exec(server.target(), `echo ${n}`)))
    expect(results.map(({ stdout }) => stdout.trim())).toEqual(results.map((_, n) => String(n)))
    const read = pool.spawn(server.target(), 'seq 3')
    expect(await text(read.stdout)).toBe('1\n2\n3\n')
    for (const process of unread) expect(process.kill('SIGKILL')).toBe(true)
    for (const process of unread) process.stdout.resume()
    const ends = await Promise.all(unread.map(({ done }) => done))
    expect(ends.map(({ signal, exitCode }) => [signal, exitCode])).toEqual(ends.map(() => ['SIGKILL', 137]))
    expect(unread[0]?.kill()).toBe(false)
  })

  it('a stdin stream that is destroyed without an error ends the command, too', async () => {
    const source = new PassThrough()
    const process = pool.spawn(server.target(), 'cat', { stdin: source })
    source.write('half')
    await once(process.stdout, 'readable')
    source.destroy()
    expect(await failureOf(process.done)).toMatchObject({ code: 'ESTDIN', kind: 'invalid-usage', reached: true })
    const early = new PassThrough().destroy()
    expect(await failureOf(pool.spawn(server.target(), 'cat', { stdin: early }).done)).toMatchObject({ code: 'ESTDIN' })
  })

  it('a signal right after the start is not lost while sshd makes the process', async () => {
    for (let round = 0; round < 5; round += 1) {
      const processes = Array.from({ length: 16 }, () => pool.spawn(server.target(), 'sleep 300'))
      for (const process of processes) expect(process.kill('SIGKILL')).toBe(true)
      const ends = await Promise.all(processes.map(({ done }) => done))
      expect(ends.map(({ signal }) => signal)).toEqual(ends.map(() => 'SIGKILL'))
    }
  })

  it('memory for an unread stream is bounded', async () => {
    const process = pool.spawn(server.target(), 'cat /dev/zero')
    await once(process.stdout, 'readable')
    await until('the server has sent what fits on the way', () => process.stdout.readableLength >= 256 * 1024)
    const before = globalThis.process.memoryUsage().rss
    await pool.exec(server.target(), 'sleep 1')
    expect(globalThis.process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024)
    process.stdout.destroy()
    process.kill('SIGKILL')
    expect(await process.done).toMatchObject({ signal: 'SIGKILL' })
  })

  it('leaving the loop ends the command', async () => {
    const process = pool.spawn(server.target(), 'yes')
    for await (const line of process) {
      expect(line).toBe('y')
      break
    }
    expect(await failureOf(process.done)).toMatchObject({ code: 'ABORT_ERR' })
    await server.runs('yes', 0)
  })

  it('an abort and a timeout end it, and loops and pipelines hear of it', async () => {
    const controller = new AbortController()
    const aborted = pool.spawn(server.target(), 'echo started; sleep 1000', { signal: controller.signal })
    const loop = (async () => {
      for await (const line of aborted) {
        expect(line).toBe('started')
        controller.abort(new Error('enough'))
      }
    })()
    expect(await failureOf(loop)).toMatchObject({ code: 'ABORT_ERR', cause: { message: 'enough' } })
    const slow = pool.spawn(server.target(), 'sleep 1000', { timeout: 300 })
    const sink = new PassThrough().resume()
    expect(await failureOf(pipeline(slow.stdout, sink))).toMatchObject({ code: 'ETIMEDOUT' })
    expect(await failureOf(slow.done)).toMatchObject({ code: 'ETIMEDOUT', reached: true, phase: 'run' })
    await server.runs('sleep', 0)
  })

  it('a lost connection is told by the loop and by done, never as an end', async () => {
    const process = pool.spawn(server.target(), 'echo started; sleep 1000')
    const loop = (async () => {
      for await (const line of process) {
        expect(line).toBe('started')
        server.killConnections()
      }
    })()
    expect(await failureOf(loop)).toMatchObject({ code: 'ECONNLOST', kind: 'connection-lost' })
    expect(await failureOf(process.done)).toMatchObject({ code: 'ECONNLOST', reached: true })
  })

  it('an error that nobody asks for does not end the program, and streams without listeners just end', async () => {
    const refused = pool.spawn({ ...server.target(), port: 1 }, 'true')
    expect(await failureOf(text(refused.stdout))).toMatchObject({ code: 'ECONNREFUSED' })
    const silent = pool.spawn({ ...server.target(), port: 1 }, 'true')
    silent.stdout.resume()
    // Not events.once(): that listens for errors too.
    await new Promise<void>((resolve) => { silent.stdout.once('end', resolve) })
    expect(await failureOf(silent.done)).toMatchObject({ code: 'ECONNREFUSED', phase: 'dial', reached: false })
  })

  it('a stdin stream that fails ends the command', async () => {
    const broken = new Readable({ read() { this.destroy(new Error('disk on fire')) } })
    const process = pool.spawn(server.target(), 'cat', { stdin: broken })
    process.stdout.resume()
    expect(await failureOf(process.done)).toMatchObject({ code: 'ESTDIN', cause: { message: 'disk on fire' } })
    await server.runs('cat', 0)
  })

  it('a command that reads no more closes its stdin without an error', async () => {
    const process = pool.spawn(server.target(), 'head -c 3')
    process.stdout.resume()
    const source = Readable.from((function* () { for (;;) yield Buffer.alloc(65_536) })())
    source.pipe(process.stdin)
    expect(await process.done).toMatchObject({ exitCode: 0 })
    await until('stdin is closed', () => process.stdin.destroyed)
    source.destroy()
  })

  it('disposing ends it', async () => {
    const process = pool.spawn(server.target(), 'sleep 1000')
    await server.runs('sleep')
    await process[Symbol.asyncDispose]()
    await server.runs('sleep', 0)
  })
})

describe('terminals', () => {
  it('have the size that was asked for, and another one when told', async () => {
    const process = pool.spawn(server.target(), 'stty size; read _; stty size; tty >/dev/null && echo $TERM', {
      pty: { columns: 100, rows: 30, term: 'vt100' },
    })
    const seen: string[] = []
    for await (const line of process) {
      seen.push(line)
      if (seen.length === 1) {
        expect(process.resize(120, 40)).toBe(true)
        process.stdin.write('\n')
      }
    }
    expect(seen.filter((line) => line !== '')).toEqual(['30 100', '40 120', 'vt100'])
  })

  it('are there for buffered commands too, and join both streams', async () => {
    const { stdout, stderr } = await pool.exec(server.target(), 'echo out; echo err >&2; tty -s && echo terminal', { pty: true })
    expect([stdout.replaceAll('\r', ''), stderr]).toEqual(['out\nerr\nterminal\n', ''])
    expect((await pool.exec(server.target(), 'tty -s || echo none')).stdout).toBe('none\n')
  })

  it('a server that gives none says so', async () => {
    const bare = await OpenSSHServer.start({ config: ['PermitTTY no'] })
    try {
      expect(await failureOf(pool.exec(bare.target(), 'true', { pty: true }))).toMatchObject({ code: 'EPTY', kind: 'permission-denied' })
      const process = pool.spawn(bare.target(), 'true', { pty: true })
      expect(await failureOf(process.done)).toMatchObject({ code: 'EPTY' })
    } finally {
      await bare.stop()
    }
  })

  it('ctrl-c reaches the command', async () => {
    const process = pool.spawn(server.target(), 'trap "echo caught; exit 9" INT; echo ready; while :; do sleep 0.1; done', { pty: true })
    for await (const line of process) {
      if (line === 'ready') process.stdin.write('\x03')
    }
    expect(await process.done).toMatchObject({ exitCode: 9 })
  })
})

it('binary stdout arrives whole', async () => {
  const process = pool.spawn(server.target(), 'head -c 100000 /dev/urandom | tee /tmp/xec-spawn-$$ ; sha256sum < /tmp/xec-spawn-$$ >&2; rm /tmp/xec-spawn-$$')
  const [bytes, digest] = await Promise.all([buffer(process.stdout), text(process.stderr)])
  expect(digest.split(' ')[0]).toBe(createHash('sha256').update(bytes).digest('hex'))
})
