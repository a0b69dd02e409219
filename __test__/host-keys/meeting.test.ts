import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { generateKey } from '../support/keys'
import { OpenSSHServer } from '../support/openssh'
import { Program } from '../support/program'

const PROCESSES = 4
const POOLS = 5
/** Many names of one server. */
const ADDRESSES = ['127.0.0.1', '127.0.0.2', '127.0.0.3']

let server: OpenSSHServer

beforeAll(async () => { server = await OpenSSHServer.start({ addresses: ADDRESSES, config: ['MaxStartups 200'] }) })
afterAll(async () => { await server.stop() })

it('twenty pools in four processes meet the same new hosts at once: one whole line for each', async () => {
  const knownHostsPath = join(server.directory, 'met_hosts')
  const stranger = generateKey(server.directory, 'stranger').publicKey
  // The last line is not finished.
  writeFileSync(knownHostsPath, `10.0.0.1 ${stranger}`)
  const go = join(server.directory, 'go')
  const targets = ADDRESSES.map((host) => server.target({ host, knownHostsPath, poolConfig: { maxConnections: 1 } }))
  const programs = Array.from({ length: PROCESSES }, () =>
    new Program(join(import.meta.dirname, '../fixtures/host-keys/meet.mjs'), { TARGETS: JSON.stringify(targets), POOLS: String(POOLS), GO: go }))
  await Promise.all(programs.map((program) => program.says('ready')))
  writeFileSync(go, '')
  await Promise.all(programs.map((program) => program.says('met')))
  for (const program of programs) expect(await program.end()).toMatchObject({ code: 0, stderr: '' })

  const key = readFileSync(join(server.directory, 'host_ed25519.pub'), 'utf8').split(' ').slice(0, 2).join(' ')
  const [first, ...met] = readFileSync(knownHostsPath, 'utf8').split('\n')
  expect(first).toBe(`10.0.0.1 ${stranger}`)
  expect(met.sort()).toEqual(['', ...ADDRESSES.map((address) => `[${address}]:${server.port} ${key}`)])
})
