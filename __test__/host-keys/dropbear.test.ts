import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { SSHConnectionPool, type SSHTarget } from '../../index.mjs'
import { Dropbear } from '../support/dropbear'
import { failureOf } from '../support/failure'
import { generateKey } from '../support/keys'

let server: Dropbear
let pool: SSHConnectionPool

beforeAll(async () => { server = await Dropbear.start('127.0.0.1') })
afterAll(async () => { await server.stop() })
beforeEach(() => { pool = new SSHConnectionPool() })
afterEach(async () => { await pool.dispose() })

const target = (file: string, extra: Partial<SSHTarget> = {}): SSHTarget =>
  server.target({ knownHostsPath: join(server.directory, file), ...extra })

it('dropbear: accept-new writes its key down, strict then takes it, a verifier sees it', async () => {
  await expect(pool.exec(target('new'), 'true')).resolves.toMatchObject({ exitCode: 0 })
  const line = readFileSync(join(server.directory, 'new'), 'utf8')
  expect(line).toMatch(new RegExp(`^\\[127\\.0\\.0\\.1\\]:${server.port} ssh-ed25519 \\S+\\n$`))
  await pool.closeAll()
  await expect(pool.exec(target('new', { hostKeyChecking: 'strict' }), 'true')).resolves.toMatchObject({ exitCode: 0 })
  const hostKeyVerifier = ({ type, key }: { type: string, key: string }): boolean => line.endsWith(` ${type} ${key}\n`)
  await expect(pool.exec(target('none', { hostKeyVerifier }), 'true')).resolves.toMatchObject({ exitCode: 0 })
})

it('dropbear: unknown under strict, and changed, are refused before the password is sent', async () => {
  const strict = await failureOf(pool.exec(target('empty', { hostKeyChecking: 'strict' }), 'true'))
  expect(strict).toMatchObject({ code: 'EHOSTKEY', hostKey: { problem: 'unknown' } })
  writeFileSync(join(server.directory, 'forged'), `[127.0.0.1]:${server.port} ${generateKey(server.directory, 'other').publicKey}\n`)
  const before = server.log
  expect(await failureOf(pool.exec(target('forged'), 'true'))).toMatchObject({ code: 'EHOSTKEY', hostKey: { problem: 'changed' } })
  expect(server.log.slice(before.length)).not.toMatch(/[Pp]assword auth/)
})
