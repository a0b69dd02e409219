import { InvalidOptionError } from '../errors'
import type { KeyboardInteractive, SSHTarget } from '../types'
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

const agent: Check<boolean | string> = (value, option) => {
  if (typeof value === 'boolean') return value
  if (typeof value === 'string') return nonEmptyText(value, option)
  throw new InvalidOptionError(option, `expected true, false or the path of the agent's socket, got ${describe(value)}`)
}

const keyboardInteractive: Check<KeyboardInteractive> = (value, option) => {
  if (typeof value !== 'function') throw new InvalidOptionError(option, `expected a function that answers prompts, got ${describe(value)}`)
  // What it takes and gives is seen when it is called.
  return value as KeyboardInteractive
}

export const shell: Check<'login' | 'persistent'> = oneOf('login', 'persistent')

export const targetFields = {
  host: hostName,
  port: integer(1, 65_535),
  username: nonEmptyText,
  password: text,
  privateKey: textOrBytes,
  passphrase: text,
  certificate: textOrBytes,
  agent,
  identitiesOnly: boolean,
  keyboardInteractive,
  hostKeyChecking: oneOf('accept-new', 'strict', 'off'),
  knownHostsPath: nonEmptyText,
  poolConfig: hostConfig,
  controlMaster,
  controlPath: nonEmptyText,
  controlPersist,
  shell,
  hostKeyVerifier: notYet('use hostKeyChecking with knownHostsPath'),
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
  'port' | 'username' | 'password' | 'privateKey' | 'passphrase' | 'certificate' | 'agent' | 'identitiesOnly' | 'keyboardInteractive'
  | 'hostKeyChecking' | 'knownHostsPath' | 'poolConfig' | 'shell'>
  & { host: string }

export function checkTarget(value: unknown): CheckedTarget {
  if (typeof value !== 'object' || value === null) {
    throw new InvalidOptionError('target', `expected an object with at least 'host', got ${describe(value)}`)
  }
  const { host, ...rest } = fields(value, '')
  if (host === undefined) throw new InvalidOptionError('host', 'it is required')
  return { ...rest, host }
}
