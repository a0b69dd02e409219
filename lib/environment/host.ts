import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { InvalidOptionError } from '../errors'
import { parseAddress } from '../options/address'
import { describe } from '../options/schema'
import type { SSHTarget } from '../types'

/**
 * A host by its `name`, as an inventory lists it. Where both are given, `host` is the address that is dialed, and `name`
 * only what people call it.
 */
export type NamedHost = Omit<SSHTarget, 'host'> & ({ name: string, host?: string } | { name?: string, host: string })

/** Where a command goes: a target, a named host, or 'user@host:port'. */
export type HostLike = SSHTarget | NamedHost | string

export function targetOf(host: HostLike): SSHTarget {
  const target = typeof host === 'string' ? parseAddress(host) : withAddress(host)
  return hasCredentials(target) ? target : { ...target, privateKey: ownKey() }
}

function withAddress(host: SSHTarget | NamedHost): SSHTarget {
  if (!isObject(host)) {
    throw new InvalidOptionError('host', `expected 'user@host:port', or an object with 'host' or 'name', got ${describe(host)}`)
  }
  if (!('name' in host)) return host
  const { name, host: address = name, ...rest } = host
  if (address === undefined) throw new InvalidOptionError('host', 'a host needs a name or an address')
  return { ...rest, host: address }
}

/** Types do not stop callers in JavaScript. */
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null

function hasCredentials({ password, privateKey, agent, keyboardInteractive }: SSHTarget): boolean {
  return [password, privateKey, agent, keyboardInteractive].some((given) => given !== undefined && given !== false)
}

const KEY_FILES = ['id_ed25519', 'id_ecdsa', 'id_rsa']

/** An address names no credentials, so, as `ssh` does, the local user's own key is meant. */
function ownKey(): string | undefined {
  return KEY_FILES.map((name) => join(homedir(), '.ssh', name)).find((path) => existsSync(path))
}
