import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { SSHConnectionPool, type SSHTarget } from '../../index.mjs'
import { generateKey } from '../support/keys'
import { OpenSSHServer } from '../support/openssh'
import { PythonServer } from '../support/python-servers'
import { until } from '../support/wait'

let server: OpenSSHServer
let pool: SSHConnectionPool
let files = 0

beforeAll(async () => { server = await OpenSSHServer.start({ hostKeys: ['ed25519', 'rsa', 'ecdsa'], logLevel: 'DEBUG1' }) })
afterAll(async () => { await server.stop() })
beforeEach(() => { pool = new SSHConnectionPool() })
afterEach(async () => { await pool.dispose() })

const key = (type: string): string => readFileSync(join(server.directory, `host_${type}.pub`), 'utf8').split(' ').slice(0, 2).join(' ')
const line = (type: string): string => `[127.0.0.1]:${server.port} ${key(type)}\n`
const proofs = (): number => server.count(/hostkeys-prove-00@openssh\.com/)

function target(text: string, extra: Partial<SSHTarget> = {}): SSHTarget & { knownHostsPath: string } {
  const knownHostsPath = join(server.directory, `hosts_${files++}`)
  writeFileSync(knownHostsPath, text)
  return { ...server.target(extra), knownHostsPath }
}

describe('the other host keys of a known server', () => {
  it('are learned once it has proven to hold them, and it is trusted by each of them', async () => {
    const known = target(line('rsa'))
    await pool.exec(known, 'true')
    await until('three keys are on file', () => readFileSync(known.knownHostsPath, 'utf8').split('\n').length === 4)
    const learned = readFileSync(known.knownHostsPath, 'utf8')
    expect(learned.startsWith(line('rsa'))).toBe(true)
    expect(learned.split('\n').sort()).toEqual([line('rsa'), line('ed25519'), line('ecdsa'), '\n'].map((text) => text.trimEnd()).sort())

    await pool.closeAll()
    const before = proofs()
    expect(before).toBeGreaterThan(0)
    for (const type of ['ed25519', 'ecdsa']) {
      await expect(pool.exec(target(line(type), { hostKeyChecking: 'strict' }), 'true')).resolves.toMatchObject({ exitCode: 0 })
    }
    await pool.exec({ ...known }, 'true')
    expect(readFileSync(known.knownHostsPath, 'utf8')).toBe(learned)
    expect(proofs(), 'nothing is asked for that is known, nor under strict').toBe(before)
  })

  it('a revoked one is not learned', async () => {
    const known = target(`${line('ed25519')}@revoked * ${key('rsa')}\n`)
    await pool.exec(known, 'true')
    await until('the third key is on file', () => readFileSync(known.knownHostsPath, 'utf8').includes(`:${server.port} ${key('ecdsa')}`))
    expect(readFileSync(known.knownHostsPath, 'utf8')).toBe(`${line('ed25519')}@revoked * ${key('rsa')}\n${line('ecdsa')}`)
  })

  it.each([
    ['strict', { hostKeyChecking: 'strict' }], ['off', { hostKeyChecking: 'off' }], ['a verifier', { hostKeyVerifier: () => true }],
  ] as const)('are nobody\'s business under %s', async (_, extra) => {
    const before = proofs()
    const other = `10.0.0.1 ${generateKey(server.directory, `other_${files}`).publicKey}\n`
    const known = target(line('ed25519') + other, extra)
    await pool.exec(known, 'true')
    await pool.exec(known, 'true')
    expect(proofs()).toBe(before)
    expect(readFileSync(known.knownHostsPath, 'utf8')).toBe(line('ed25519') + other)
  })
})

describe('a server that announces a key it does not hold', () => {
  let liar: PythonServer
  let claimed: string

  beforeAll(async () => {
    liar = await PythonServer.start('announcing')
    claimed = generateKey(liar.directory, 'claimed').publicKey.split(' ').slice(0, 2).join(' ')
  })
  afterAll(async () => { await liar.stop() })

  it.each(['refused', 'short', 'wrong'])('and whose proof is %s: the key is not learned', async (username) => {
    const known = liar.target({ username, knownHostsPath: join(liar.directory, `hosts_${username}`) })
    await pool.exec(known, 'true')
    const own = readFileSync(known.knownHostsPath ?? '', 'utf8')
    await until('the proof was asked for', () => liar.log.includes(`asked to prove 1 as ${username}`))
    // The answer to this command comes behind the proof.
    await expect(pool.exec(known, 'true')).resolves.toMatchObject({ exitCode: 0 })
    await pool.closeAll()
    expect(readFileSync(known.knownHostsPath ?? '', 'utf8')).toBe(own)
    expect(own).not.toContain(claimed)
  })
})
