import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { type KeyPair, generateKey } from '../support/keys'
import { SSHConnectionPool, type SSHTarget } from '../../index.mjs'
import { OpenSSHServer } from '../support/openssh'

const directory = mkdtempSync(join(tmpdir(), 'xec-certificates-'))
const servers: OpenSSHServer[] = []
let ca: KeyPair
let pool: SSHConnectionPool
let files = 0

beforeAll(() => { ca = generateKey(directory, 'ca') })
afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()))
  rmSync(directory, { recursive: true, force: true })
})
beforeEach(() => { pool = new SSHConnectionPool() })
afterEach(async () => { await pool.dispose() })

interface Signed { server: OpenSSHServer, key: string }

/** A server whose one host key is signed by `by`, as `ssh-keygen` is told to. */
async function serve(name: string, signing: string[], by = ca, type: 'ed25519' | 'rsa' | 'ecdsa' = 'ed25519'): Promise<Signed> {
  const key = generateKey(directory, name, { type })
  execFileSync('ssh-keygen', ['-q', '-s', by.path, '-I', name, ...signing, `${key.path}.pub`])
  const server = await OpenSSHServer.start({ hostKeys: [], config: [`HostKey ${key.path}`, `HostCertificate ${key.path}-cert.pub`] })
  servers.push(server)
  return { server, key: key.publicKey }
}

const HOST = ['-h', '-n', '127.0.0.1,localhost']

function target({ server }: Signed, lines: string[], extra: Partial<SSHTarget> = {}): SSHTarget {
  const knownHostsPath = join(directory, `hosts_${files++}`)
  writeFileSync(knownHostsPath, lines.map((line) => `${line}\n`).join(''))
  return server.target({ knownHostsPath, hostKeyChecking: 'strict', ...extra })
}

const authority = (who = '127.*'): string => `@cert-authority ${who} ${ca.publicKey}`
const name = ({ server }: Signed): string => `[127.0.0.1]:${server.port}`

describe('a host certificate', () => {
  it.each(['ed25519', 'rsa', 'ecdsa'] as const)('of an authority on file is enough (%s), and nothing is written', async (type) => {
    const signed = await serve(`good_${type}`, [...HOST, '-V', '-1h:+1h'], ca, type)
    const good = target(signed, [authority()], { hostKeyChecking: 'accept-new' })
    await expect(pool.exec(good, 'true')).resolves.toMatchObject({ exitCode: 0 })
    expect(readFileSync(good.knownHostsPath ?? '', 'utf8')).toBe(`${authority()}\n`)
  })

  it('is not asked for where no authority is on file: the plain key is', async () => {
    const signed = await serve('plain', HOST)
    await expect(pool.exec(target(signed, [`${name(signed)} ${signed.key}`, authority('10.*')]), 'true')).resolves.toMatchObject({ exitCode: 0 })
  })

  const bad: [how: string, signing: string[], says: RegExp][] = [
    ['has expired', [...HOST, '-V', '-2h:-1h'], /has expired/],
    ['is not valid yet', [...HOST, '-V', '+1h:+2h'], /not valid yet/],
    ['is for other names', ['-h', '-n', 'db.example,web.example'], /it is for db\.example, ?web\.example, not for 127\.0\.0\.1/],
  ]

  it.each(bad)('that %s is refused with that reason, and not taken as a new key', async (how, signing, says) => {
    const signed = await serve(`bad_${how.replaceAll(' ', '_')}`, signing)
    for (const hostKeyChecking of ['strict', 'accept-new'] as const) {
      const refused = target(signed, [authority()], { hostKeyChecking })
      const error = await failureOf(pool.exec(refused, 'true'))
      expect(error).toMatchObject({ code: 'EHOSTKEY', kind: 'host-key-mismatch', phase: 'handshake', hostKey: { problem: 'certificate' } })
      expect(error.message).toMatch(says)
      expect(readFileSync(refused.knownHostsPath ?? '', 'utf8')).toBe(`${authority()}\n`)
    }
    // The key itself being on file, the certificate is not needed.
    await expect(pool.exec(target(signed, [authority(), `${name(signed)} ${signed.key}`]), 'true')).resolves.toMatchObject({ exitCode: 0 })
  })

  it('of an authority that is revoked is refused, and so is a revoked key in a good one', async () => {
    const signed = await serve('revoked', HOST)
    for (const revoked of [ca.publicKey, signed.key]) {
      const error = await failureOf(pool.exec(target(signed, [authority(), `@revoked * ${revoked}`]), 'true'))
      expect(error).toMatchObject({ code: 'EHOSTKEY', hostKey: { problem: 'revoked', place: { line: 2 } } })
    }
  })

  it('of an authority that is not on file says nothing: the key in it counts, as with ssh', async () => {
    const stranger = generateKey(directory, 'stranger_ca')
    const signed = await serve('strange', HOST, stranger)
    const unknown = await failureOf(pool.exec(target(signed, [authority()]), 'true'))
    expect(unknown).toMatchObject({ code: 'EHOSTKEY', hostKey: { problem: 'unknown' } })
    await expect(pool.exec(target(signed, [authority(), `${name(signed)} ${signed.key}`]), 'true')).resolves.toMatchObject({ exitCode: 0 })
  })
})
