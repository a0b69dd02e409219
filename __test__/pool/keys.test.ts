import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type KeyPair, generateKey } from '../support/keys'
import { SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'

const PASSPHRASE = 'a passphrase, with $pecial chars'

/** Every format OpenSSH can write; the others are made from these with openssl. */
const FORMATS = {
  'OpenSSH ed25519': { type: 'ed25519' },
  'OpenSSH rsa': { type: 'rsa' },
  'OpenSSH ecdsa': { type: 'ecdsa' },
  'PKCS#1 rsa': { type: 'rsa', format: 'PEM' },
  'SEC1 ecdsa': { type: 'ecdsa', format: 'PEM' },
  'PKCS#8 rsa': { type: 'rsa', format: 'PKCS8' },
  'PKCS#8 ecdsa': { type: 'ecdsa', format: 'PKCS8' },
  'encrypted OpenSSH ed25519': { type: 'ed25519', passphrase: PASSPHRASE },
  'encrypted OpenSSH rsa': { type: 'rsa', passphrase: PASSPHRASE },
  'encrypted PKCS#1 rsa': { type: 'rsa', format: 'PEM', passphrase: PASSPHRASE },
  'encrypted PKCS#8 rsa': { type: 'rsa', format: 'PKCS8', passphrase: PASSPHRASE },
  'encrypted PKCS#8 ecdsa': { type: 'ecdsa', format: 'PKCS8', passphrase: PASSPHRASE },
} as const

let directory: string
let keys: Map<string, KeyPair>
let server: OpenSSHServer
let pool: SSHConnectionPool

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'xec-keys-'))
  keys = new Map(Object.entries(FORMATS).map(([name, options], index) => [name, generateKey(directory, `key${index}`, options)]))
  server = await OpenSSHServer.start({ authorized: [...keys.values()].map((key) => key.publicKey) })
  pool = new SSHConnectionPool()
})

afterAll(async () => {
  await pool.dispose()
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
})

function key(name: string): KeyPair {
  const found = keys.get(name)
  if (found === undefined) throw new Error(`no key ${name}`)
  return found
}

async function login(privateKey: string | Buffer, passphrase?: string): Promise<void> {
  const { exitCode, timings } = await pool.exec(server.target({ privateKey, passphrase }), 'true')
  expect(exitCode).toBe(0)
  // A connection of another form of the same key must not answer for this one.
  expect(timings.connect).toBeGreaterThan(0)
  await pool.closeAll()
}

describe('private keys', () => {
  it.each(Object.keys(FORMATS))('%s as text', async (name) => {
    await login(key(name).privateKey, name.startsWith('encrypted') ? PASSPHRASE : undefined)
  })

  it('the formats are what they are called', () => {
    expect(key('PKCS#1 rsa').privateKey).toContain('BEGIN RSA PRIVATE KEY')
    expect(key('SEC1 ecdsa').privateKey).toContain('BEGIN EC PRIVATE KEY')
    expect(key('PKCS#8 rsa').privateKey).toContain('BEGIN PRIVATE KEY')
    expect(key('encrypted PKCS#8 rsa').privateKey).toContain('BEGIN ENCRYPTED PRIVATE KEY')
    expect(key('encrypted PKCS#1 rsa').privateKey).toContain('Proc-Type: 4,ENCRYPTED')
  })

  it('as a Buffer, as a path, and as a path from ~', async () => {
    const { path, privateKey } = key('OpenSSH ed25519')
    await login(Buffer.from(privateKey))
    await login(path)
    // Not join(), which would take the ~ for a folder and `..` for the way out of it.
    await login(`~/${relative(homedir(), path)}`)
  })

  it('with Windows line ends and without the last one', async () => {
    await login(key('OpenSSH ed25519').privateKey.trimEnd().replaceAll('\n', '\r\n'))
  })

  it('a PKCS#8 key made by openssl', async () => {
    const path = join(directory, 'openssl.pem')
    execFileSync('openssl', ['pkcs8', '-topk8', '-nocrypt', '-in', key('PKCS#1 rsa').path, '-out', path])
    await login(readFileSync(path))
    writeFileSync(path, '')
  })
})
