// Whom to trust: known_hosts, a list of one's own, and what a refusal says.
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

const folder = await mkdtemp(join(tmpdir(), 'host-keys-'))

// #region strict
const pool = new SSHConnectionPool()

// The first meeting writes the key down; from then on nothing else is accepted.
const knownHostsPath = join(folder, 'known_hosts')
await pool.exec({ ...target, knownHostsPath }, 'true')
await pool.exec({ ...target, knownHostsPath, hostKeyChecking: 'strict' }, 'true')
// #endregion
console.log(/ssh-ed25519 AAAA/.test(readFileSync(knownHostsPath, 'utf8')))

// #region verifier
const fingerprints = new Map()

async function onTheList({ host, type, fingerprint, key }) {
  const expected = fingerprints.get(host)
  if (expected === undefined) throw new Error(`no fingerprint for ${host}: it shows ${type} of ${key.length} characters`)
  return fingerprint === expected
}

await pool.exec({ ...target, hostKeyVerifier: onTheList }, 'true').catch((error) => {
  console.log(error.code, error.hostKey.problem)
  fingerprints.set(error.host, error.hostKey.fingerprint)
})
console.log((await pool.exec({ ...target, hostKeyVerifier: onTheList }, 'echo trusted')).stdout.trim())
// #endregion

// #region refused
const forged = join(folder, 'forged')
writeFileSync(forged, `${readFileSync(knownHostsPath, 'utf8').replace(/AAAA\S+/, 'AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF')}broken\n`)

const error = await pool.exec({ ...target, knownHostsPath: forged }, 'true').catch((error) => error)
console.log(error.code, error.hostKey.problem, `line ${error.hostKey.place.line}`)
console.log(error.hostKey.unreadable.map(({ line, problem }) => `line ${line}: ${problem}`))
// #endregion

await pool.dispose()
await rm(folder, { recursive: true })
