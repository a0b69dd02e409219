import { execFileSync } from 'node:child_process'
import { readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { generateKey } from '../support/keys'
import { HostKeyMismatchError, SSHConnectionPool, type SSHTarget } from '../../index.mjs'
import { OpenSSHServer } from '../support/openssh'

let server: OpenSSHServer
let pool: SSHConnectionPool
let files = 0
/** The server's keys, by type. */
let keys: Record<'ed25519' | 'rsa' | 'ecdsa', string>
let stranger: string

beforeAll(async () => {
  server = await OpenSSHServer.start({ hostKeys: ['ed25519', 'rsa', 'ecdsa'] })
  const key = (type: string): string => readFileSync(join(server.directory, `host_${type}.pub`), 'utf8').split(' ').slice(0, 2).join(' ')
  keys = { ed25519: key('ed25519'), rsa: key('rsa'), ecdsa: key('ecdsa') }
  stranger = generateKey(server.directory, 'stranger').publicKey
})
afterAll(async () => { await server.stop() })
beforeEach(() => { pool = new SSHConnectionPool() })
afterEach(async () => { await pool.dispose() })

const name = (): string => `[127.0.0.1]:${server.port}`

function write(text: string): string {
  const path = join(server.directory, `hosts_${files++}`)
  writeFileSync(path, text)
  return path
}

const target = (text: string, extra: Partial<SSHTarget> = {}): SSHTarget =>
  server.target({ knownHostsPath: write(text), hostKeyChecking: 'strict', ...extra })

async function refusal(text: string, extra: Partial<SSHTarget> = {}): Promise<HostKeyMismatchError> {
  const error = await failureOf(pool.exec(target(text, extra), 'true'))
  expect(error).toMatchObject({ code: 'EHOSTKEY', kind: 'host-key-mismatch', phase: 'handshake', reached: false })
  if (!(error instanceof HostKeyMismatchError)) throw new Error('expected a HostKeyMismatchError')
  return error
}

describe('a server is trusted by', () => {
  const trusted: [how: string, text: () => string][] = [
    ['its address and port', () => `${name()} ${keys.ed25519}\n`],
    ['its RSA key alone, though it has better ones', () => `${name()} ${keys.rsa}\n`],
    ['its ECDSA key alone', () => `${name()} ${keys.ecdsa}\n`],
    ['one of several names', () => `other,${name()},third ${keys.ed25519}\n`],
    ['a pattern', () => `[127.0.0.?]:* ${keys.ed25519}\n`],
    ['a pattern that excludes others', () => `*,!10.* ${keys.ed25519}\n`],
    ['its address without the port, as ssh does', () => `127.0.0.1 ${keys.ed25519}\n`],
    ['one of several lines', () => `${name()} ${stranger}\n${name()} ${keys.ed25519}\n`],
    ['a line with a comment, tabs and CRLF, the last one unfinished', () => `# comment\r\n\t${name()}\t${keys.ed25519} me@here\r\n\r\nx`],
    ['a good line beside broken ones', () => `${name()} ssh-ed25519 AAAA\n${name()} ${keys.ed25519}\n@nonsense x y z\n`],
    ['a key that is revoked for others only', () => `${name()} ${keys.ed25519}\n@revoked 10.0.0.1,!${name()} ${keys.ed25519}\n`],
  ]

  it.each(trusted)('%s', async (_, text) => {
    await expect(pool.exec(target(text()), 'true')).resolves.toMatchObject({ exitCode: 0 })
  })

  it('a hashed name', async () => {
    const path = write(`${name()} ${keys.ed25519}\n`)
    execFileSync('ssh-keygen', ['-q', '-H', '-f', path], { stdio: 'ignore' })
    await expect(pool.exec(server.target({ knownHostsPath: path, hostKeyChecking: 'strict' }), 'true')).resolves.toMatchObject({ exitCode: 0 })
  })
})

describe('a server is refused when', () => {
  it('its key is another one than on file, accept-new or not: the line is named', async () => {
    for (const hostKeyChecking of ['strict', 'accept-new'] as const) {
      const error = await refusal(`# ours\n${name()} ${stranger}\n`, { hostKeyChecking })
      expect(error.hostKey).toMatchObject({ problem: 'changed', type: 'ssh-ed25519', place: { line: 2 }, unreadable: [] })
      expect(error.hostKey?.fingerprint).toMatch(/^SHA256:[\w+/]{43}$/)
      expect(error.message).toMatch(/line 2.*ssh-keygen -R/)
    }
  })

  it('it is not on file and checking is strict', async () => {
    expect((await refusal(`10.0.0.1 ${keys.ed25519}\n`)).hostKey).toMatchObject({ problem: 'unknown' })
  })

  it('its line says it is another server: negation', async () => {
    expect((await refusal(`*,!${name()} ${keys.ed25519}\n`)).hostKey).toMatchObject({ problem: 'unknown' })
  })

  it('its key is revoked, even where it is also trusted, and whatever the port', async () => {
    for (const who of ['*', name(), '127.0.0.1', '127.*']) {
      const error = await refusal(`${name()} ${keys.ed25519}\n@revoked ${who} ${keys.ed25519}\n`, { hostKeyChecking: 'accept-new' })
      expect(error.hostKey).toMatchObject({ problem: 'revoked', place: { line: 2 } })
      expect(error.message).toMatch(/REVOKED/)
    }
  })

  it('a revocation that may be about it cannot be read: never open', async () => {
    const damaged = keys.ed25519.slice(0, -6)
    for (const line of [`@revoked * ${damaged}`, `@revoked ${name()}`, '@revoked', `@Revoked * ${keys.ed25519}`]) {
      const error = await refusal(`${name()} ${keys.ed25519}\n${line}\n`, { hostKeyChecking: 'accept-new' })
      expect(error.hostKey).toMatchObject({ problem: 'unreadable-revocation', place: { line: 2 }, unreadable: [{ line: 2 }] })
    }
    await expect(pool.exec(target(`${name()} ${keys.ed25519}\n@revoked 10.0.0.1 ${damaged}\n`), 'true')).resolves.toMatchObject({ exitCode: 0 })
  })

  it('broken lines are named with file, number and reason, for one of them may be the missing one', async () => {
    const text = `# comment\n${name()} ssh-ed25519 AAAA\n\n@nonsense x y z\n${name()}\n`
    const error = await refusal(text)
    expect(error.hostKey?.unreadable.map(({ line, problem }) => [line, problem])).toEqual([
      [2, 'the key is damaged'], [4, 'unknown marker'], [5, 'expected hosts, key type and key'],
    ])
    expect(error.message).toMatch(/Not readable: \/.*hosts_\d+, line 2 \(the key is damaged\) and 2 more$/)
  })
})

describe('a new server is written down', () => {
  it('in a private file and folder, once, for ssh to read', async () => {
    const path = join(server.directory, 'new', 'folder', 'known_hosts')
    await Promise.all([1, 2, 3].map(() => new SSHConnectionPool()).map(async (own) => {
      await own.exec(server.target({ knownHostsPath: path, poolConfig: { maxConnections: 2 } }), 'true')
      await own.dispose()
    }))
    expect(readFileSync(path, 'utf8').split('\n').filter((line) => line.includes('ssh-ed25519'))).toEqual([`${name()} ${keys.ed25519}`])
    expect([path, join(path, '..')].map((file) => statSync(file).mode & 0o777)).toEqual([0o600, 0o700])
    expect(execFileSync('ssh-keygen', ['-F', name(), '-f', path], { encoding: 'utf8' })).toContain(keys.ed25519)
  })

  it('through a link, behind a line that is not finished', async () => {
    const path = write('10.0.0.1 ' + stranger)
    const link = join(server.directory, 'link')
    symlinkSync(path, link)
    await pool.exec(server.target({ knownHostsPath: link }), 'true')
    expect(readFileSync(path, 'utf8')).toMatch(`10.0.0.1 ${stranger}\n${name()} ${keys.ed25519}\n`)
  })

  it('a file that cannot be written costs the memory, not the connection', async () => {
    await expect(pool.exec(server.target({ knownHostsPath: '/proc/known_hosts' }), 'true')).resolves.toMatchObject({ exitCode: 0 })
  })

  it('a file that cannot be read is an error: it may hold revocations', async () => {
    const error = await failureOf(pool.exec(server.target({ knownHostsPath: server.directory }), 'true'))
    expect(error).toMatchObject({ code: 'EKNOWNHOSTS', phase: 'handshake', reached: false })
    expect(error.message).toContain(server.directory)
  })
})
