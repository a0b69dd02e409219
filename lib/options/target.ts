import { InvalidOptionError } from '../errors'
import type { HostKeyVerifier, SSHTarget } from '../types'
import { anything, boolean, hostName, integer, nonEmptyText, oneOf, text, textOrBytes } from './checks'
import { hostConfig } from './host-config'
import { type Check, describe, shape } from './schema'
import { notYet } from './unsupported'

const controlMaster: Check<boolean | 'auto'> = (value, option) =>
  typeof value === 'string' ? oneOf('auto')(value, option) : boolean(value, option)

const controlPersist: Check<string | number | boolean> = (value, option) => {
  if (typeof value === 'string') return nonEmptyText(value, option)
  return typeof value === 'number' ? integer(0, 2 ** 31 - 1)(value, option) : boolean(value, option)
}

const hostKeyVerifier: Check<HostKeyVerifier | undefined> = (value, option) => {
  // What other libraries take for "none".
  if (value === null || value === false) return undefined
  if (typeof value !== 'function') {
    throw new InvalidOptionError(option, `expected a function (key) => boolean or a promise of one, got ${describe(value)}`)
  }
  // What it answers is checked when it does.
  return value as HostKeyVerifier
}

export const shell: Check<'login' | 'persistent'> = oneOf('login', 'persistent')

export const targetFields = {
  host: hostName,
  port: integer(1, 65_535),
  username: nonEmptyText,
  password: text,
  privateKey: textOrBytes,
  passphrase: text,
  hostKeyChecking: oneOf('accept-new', 'strict', 'off'),
  knownHostsPath: nonEmptyText,
  hostKeyVerifier,
  poolConfig: hostConfig,
  controlMaster,
  controlPath: nonEmptyText,
  controlPersist,
  shell,
  agent: notYet('give privateKey or password'),
  certificate: notYet('give privateKey or password'),
  keyboardInteractive: notYet('give privateKey or password'),
  sshConfig: notYet('give host, port, username and privateKey themselves'),
  jumpHost: notYet('connect to a host that can be reached directly'),
  proxy: notYet('connect to a host that can be reached directly'),
  sudo: notYet('put sudo into the command'),
  /** What @xec-sh/core adds to the options of `$.ssh({...})`. */
  type: anything,
}

const fields = shape(targetFields)

/** A target whose `host` is known to be there. */
export type CheckedTarget = Pick<SSHTarget,
  'port' | 'username' | 'password' | 'privateKey' | 'passphrase' | 'hostKeyChecking' | 'knownHostsPath'
  | 'hostKeyVerifier' | 'poolConfig' | 'shell'>
  & { host: string }

export function checkTarget(value: unknown): CheckedTarget {
  if (typeof value !== 'object' || value === null) {
    throw new InvalidOptionError('target', `expected an object with at least 'host', got ${describe(value)}`)
  }
  const { host, ...rest } = fields(value, '')
  if (host === undefined) throw new InvalidOptionError('host', 'it is required')
  return { ...rest, host }
}
