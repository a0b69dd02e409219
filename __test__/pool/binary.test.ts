import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { MaxBufferError, SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'

const SIZE = 64 * 1024 * 1024
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

let server: OpenSSHServer
let pool: SSHConnectionPool

beforeAll(async () => {
  server = await OpenSSHServer.start()
  pool = new SSHConnectionPool()
})

afterAll(async () => {
  await pool.dispose()
  await server.stop()
})

describe('bytes', () => {
  it('64 MiB of random stdout arrive unchanged', async () => {
    const bytes = randomBytes(SIZE)
    const path = join(server.directory, 'random')
    writeFileSync(path, bytes, { mode: 0o644 })
    const { stdout, exitCode } = await pool.exec(server.target(), `cat ${path}`, { encoding: 'buffer', maxBuffer: SIZE })
    expect(exitCode).toBe(0)
    expect(stdout.length).toBe(SIZE)
    expect(sha256(stdout)).toBe(sha256(bytes))
  })

  it('64 MiB of random stdin arrive unchanged', async () => {
    const bytes = randomBytes(SIZE)
    const { stdout } = await pool.exec(server.target(), 'sha256sum', { stdin: bytes })
    expect(stdout).toBe(`${sha256(bytes)}  -\n`)
  })

  it('a command that does not read its stdin still ends', async () => {
    const { stdout, exitCode } = await pool.exec(server.target(), 'echo done', { stdin: Buffer.alloc(8 * 1024 * 1024) })
    expect([stdout, exitCode]).toEqual(['done\n', 0])
  })
})

describe('maxBuffer', () => {
  const limit = 1_000

  it.each([['stdout', 'yes'], ['stderr', 'yes >&2']])('too much %s ends the command and keeps what fitted', async (stream, command) => {
    const error = await failureOf(pool.exec(server.target(), command, { maxBuffer: limit }))
    expect(error).toBeInstanceOf(MaxBufferError)
    expect(error).toMatchObject({ code: 'EMAXBUFFER', phase: 'run', reached: true, stream, limit })
    const kept = stream === 'stdout' ? error.stdout : error.stderr
    expect(kept).toBe('y\n'.repeat(limit / 2))
  })

  it('exactly the limit is not too much', async () => {
    const { stdout } = await pool.exec(server.target(), `head -c ${limit} /dev/zero`, { maxBuffer: limit, encoding: 'buffer' })
    expect(stdout.length).toBe(limit)
  })

  it('limits each stream by itself', async () => {
    const result = await pool.exec(server.target(), 'printf aaaa; printf bbbb >&2', { maxBuffer: 4 })
    expect([result.stdout, result.stderr]).toEqual(['aaaa', 'bbbb'])
  })

  it('leaves the connection usable', async () => {
    const before = pool.getStats().connectionsCreated
    await failureOf(pool.exec(server.target(), 'yes', { maxBuffer: limit }))
    expect(await pool.exec(server.target(), 'echo fine')).toMatchObject({ stdout: 'fine\n' })
    expect(pool.getStats().connectionsCreated).toBe(before)
  })
})
