import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { PassThrough, Writable } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Folders } from '../support/files'
import { type AdapterCommand, SSHAdapter, TimeoutError } from '../support/native'
import { OpenSSHServer, TEST_USER } from '../support/openssh'
import { until } from '../support/wait'

let server: OpenSSHServer
let adapter: SSHAdapter
let folders: Folders

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })
beforeEach(() => { adapter = new SSHAdapter(); folders = new Folders() })
afterEach(async () => { await adapter.dispose(); folders.remove() })

const run = (line: string, extra: Partial<AdapterCommand> = {}): ReturnType<SSHAdapter['execute']> =>
  adapter.execute({ command: line, adapterOptions: { type: 'ssh', ...server.target() }, ...extra })

function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(() => new Error('it resolved'), (reason: unknown) => reason)
}

describe('output elsewhere', () => {
  it('a Writable gets it and its end, the result does not', async () => {
    const chunks: Buffer[] = []
    let ended = false
    const target = new Writable({
      write(chunk: Buffer, _encoding, done) { chunks.push(chunk); done() },
      final(done) { ended = true; done() },
    })
    const result = await run('echo out; echo err >&2', { stdout: target })
    expect(result).toMatchObject({ stdout: '', stderr: 'err\n' })
    await until('the stream has ended', () => ended)
    expect(Buffer.concat(chunks).toString()).toBe('out\n')
  })

  it('a function gets the text', async () => {
    const texts: string[] = []
    await run('echo out; echo err >&2', { stderr: (text) => texts.push(text) })
    expect(texts).toEqual(['err\n'])
  })

  it('while the command runs, and at the pace of the Writable', async () => {
    const texts: string[] = []
    const path = folders.there('go')
    const running = run(`echo first; until [ -e ${path} ]; do sleep 0.02; done; echo second`, { stdout: (text) => texts.push(text) })
    await until('the first line has come', () => texts.join('') === 'first\n')
    writeFileSync(path, '')
    expect(await running).toMatchObject({ stdout: '', stdall: '', exitCode: 0 })
    expect(texts.join('')).toBe('first\nsecond\n')

    const slow = new PassThrough({ highWaterMark: 1024 })
    const all = run('head -c 20000000 /dev/zero; echo end >&2', { stdout: slow, maxBuffer: 1000 })
    await once(slow, 'readable')
    let size = 0
    for await (const chunk of slow) size += (chunk as Buffer).length
    expect(size).toBe(20_000_000)
    expect(await all).toMatchObject({ stdout: '', stderr: 'end\n', exitCode: 0 })
  })

  it('masked, however the secret is cut', async () => {
    const texts: string[] = []
    const line = 'printf pass; sleep 0.1; printf "word=hunt"; sleep 0.1; echo er2; echo token:; sleep 0.1; echo "  abcdef123"; printf rest'
    await run(line, { stdout: (text) => texts.push(text) })
    expect(texts.join('')).toBe('password=[REDACTED]\ntoken:\n  [REDACTED]\nrest')
    adapter.updateConfig({ sensitiveDataMasking: { enabled: false } })
    texts.length = 0
    await run(line, { stdout: (text) => texts.push(text) })
    expect(texts.join('')).toBe('password=hunter2\ntoken:\n  abcdef123\nrest')
  })

  it('a Writable that takes nothing is waited for no longer than the command may take', async () => {
    const stuck = (): Writable => new Writable({ write() { /* never done */ } })
    expect(await rejection(run('echo out', { stdout: stuck(), timeout: 500 }))).toMatchObject({ name: 'TimeoutError', cause: { reached: true } })
    const aborted = await rejection(run('echo out', { stdout: stuck(), signal: AbortSignal.timeout(500) }))
    expect(aborted).toMatchObject({ originalError: { code: 'ABORT_ERR' } })
    expect(await rejection(run('yes', { stdout: stuck(), timeout: 500 }))).toBeInstanceOf(TimeoutError)
    await server.runs('yes', 0)
  })

  it('a Writable or function that fails ends the command', async () => {
    const broken = new Writable({ write(_chunk, _encoding, done) { done(new Error('no space')) } }).on('error', () => undefined)
    expect(await rejection(run('yes', { stdout: broken }))).toMatchObject({ name: 'AdapterError', originalError: { message: 'no space' } })
    const thrown = await rejection(run('yes', { stderr: 'pipe', stdout: () => { throw new Error('not me') } }))
    expect(thrown).toMatchObject({ name: 'AdapterError', originalError: { message: 'not me' } })
    await server.runs('yes', 0)
  })

  it('ignore', async () => {
    expect(await run('echo out; echo err >&2', { stdout: 'ignore' })).toMatchObject({ stdout: '', stderr: 'err\n' })
  })
})

describe('sudo', () => {
  it.each([false, null] as const)('%s asks for none', async (sudo) => {
    adapter.updateConfig({ sudo: { enabled: true, user: 'nobody' } })
    adapter.updateConfig({ sudo })
    expect((await run('id -un')).stdout).toBe(`${TEST_USER}\n`)
    adapter.updateConfig({ sudo: { enabled: true, user: 'nobody' } })
    expect((await adapter.execute({ command: 'id -un', adapterOptions: { type: 'ssh', ...server.target(), sudo } as never })).stdout).toBe(`${TEST_USER}\n`)
  })
})
