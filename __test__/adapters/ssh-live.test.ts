import { PassThrough } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type AdapterCommand, SSHAdapter, TimeoutError } from '../support/native'
import { OpenSSHServer } from '../support/openssh'

let server: OpenSSHServer
let adapter: SSHAdapter

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })
beforeEach(() => { adapter = new SSHAdapter() })
afterEach(async () => { await adapter.dispose() })

const run = (line: string, extra: Partial<AdapterCommand>): ReturnType<SSHAdapter['execute']> =>
  adapter.execute({ command: line, adapterOptions: { type: 'ssh', ...server.target() }, ...extra })

describe('onSpawn', () => {
  it('gives live streams, and the result has the output all the same', async () => {
    const input = new PassThrough()
    const seen: string[] = []
    const running = run('echo first; read answer; echo "got $answer"; echo err >&2', {
      stdin: input,
      onSpawn: ({ stdout }) => {
        stdout.setEncoding('utf8').on('data', (text: string) => {
          seen.push(text)
          if (seen.length === 1) input.end('it\n')
        })
      },
    })
    expect(await running).toMatchObject({ stdout: 'first\ngot it\n', stderr: 'err\n', exitCode: 0 })
    expect(seen.join('')).toBe('first\ngot it\n')
  })

  it('kill() reaches the command, and a caller that reads nothing holds up nothing', async () => {
    const result = await run('head -c 3000000 /dev/zero; exec sleep 300', {
      nothrow: true, maxBuffer: 4_000_000,
      onSpawn: ({ kill, stdin }) => {
        expect(stdin).toBeNull()
        // Not before it has written everything: until then what runs is its shell, or none yet.
        void server.runs('sleep').catch(() => undefined).then(() => kill('SIGKILL'))
      },
    })
    expect(result).toMatchObject({ signal: 'SIGKILL', exitCode: 137, ok: false })
  })

  it('maxBuffer, timeout and abort hold here too', async () => {
    const onSpawn = (): void => undefined
    expect(await rejection(run('yes', { onSpawn, maxBuffer: 1000 }))).toMatchObject({ name: 'AdapterError', cause: { code: 'EMAXBUFFER', stdout: expect.objectContaining({ length: 1000 }) as Buffer } })
    expect(await rejection(run('head -c 5000 /dev/zero', { onSpawn, maxBuffer: 1000 }))).toMatchObject({ name: 'AdapterError', cause: { code: 'EMAXBUFFER' } })
    expect(await rejection(run('sleep 100', { onSpawn: () => { throw new Error('no streams, please') } }))).toMatchObject({ cause: { message: 'no streams, please' } })
    await server.runs('sleep', 0)
    expect(await rejection(run('sleep 100', { onSpawn, timeout: 200 }))).toBeInstanceOf(TimeoutError)
    const result = await run('echo before; sleep 100', { onSpawn, nothrow: true, signal: AbortSignal.timeout(300) })
    expect(result).toMatchObject({ exitCode: 143, ok: false, stdout: 'before\n' })
  })
})

function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(() => new Error('it resolved'), (reason: unknown) => reason)
}
