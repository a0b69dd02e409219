import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface KeyPair {
  path: string
  privateKey: string
  publicKey: string
}

interface KeyOptions {
  type?: 'ed25519' | 'rsa' | 'ecdsa'
  /** The private key's file format; OpenSSH's own by default. */
  format?: 'PEM' | 'PKCS8'
  passphrase?: string
}

export function generateKey(directory: string, name: string, options: KeyOptions = {}): KeyPair {
  const { type = 'ed25519', format, passphrase = '' } = options
  const path = join(directory, name)
  const size = type === 'rsa' ? ['-b', '2048'] : []
  const pem = format === undefined ? [] : ['-m', format]
  execFileSync('ssh-keygen', ['-q', '-t', type, ...size, ...pem, '-N', passphrase, '-C', name, '-f', path])
  return { path, privateKey: readFileSync(path, 'utf8'), publicKey: readFileSync(`${path}.pub`, 'utf8').trim() }
}
