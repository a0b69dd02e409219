import { execFileSync } from 'node:child_process'
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { type KeyPair, generateKey } from './keys'
import { TEST_USER } from './openssh'

/** Signs users' keys. */
export class Authority {
  readonly #directory: string
  readonly #key: KeyPair

  constructor(directory: string) {
    this.#directory = directory
    this.#key = generateKey(directory, 'authority')
  }

  /** A line for sshd_config. */
  get trusted(): string {
    return `TrustedUserCAKeys ${this.#key.path}.pub`
  }

  /** The certificate's path: beside the key, as ssh-keygen leaves it, or under a name of its own. */
  certify(key: KeyPair, options: readonly string[] = ['-n', TEST_USER], apart?: string): string {
    execFileSync('ssh-keygen', ['-q', '-s', this.#key.path, '-I', `${TEST_USER} at work`, ...options, `${key.path}.pub`])
    const beside = `${key.path}-cert.pub`
    if (apart === undefined) return beside
    renameSync(beside, join(this.#directory, apart))
    return join(this.#directory, apart)
  }
}
