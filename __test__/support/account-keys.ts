import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TEST_USER } from './openssh'

/**
 * Lets keys log in as the test account on servers that know no other place for them than its home directory. Answers how
 * to take them back; lines of others stay.
 */
export function authorizeForAccount(publicKeys: readonly string[]): () => void {
  const home = execFileSync('getent', ['passwd', TEST_USER], { encoding: 'utf8' }).split(':')[5] ?? ''
  if (!existsSync(home)) throw new Error(`${TEST_USER} has no home directory`)
  const folder = join(home, '.ssh')
  // Root may own them: servers ask only that nobody else can write there.
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const file = join(folder, 'authorized_keys')
  appendFileSync(file, publicKeys.map((key) => `${key}\n`).join(''), { mode: 0o644 })
  return () => {
    const kept = readFileSync(file, 'utf8').split('\n').filter((line) => !publicKeys.includes(line))
    writeFileSync(file, kept.join('\n'), { mode: 0o644 })
  }
}
