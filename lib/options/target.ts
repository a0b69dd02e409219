import { InvalidOptionError } from '../errors'
import type { SSHTarget } from '../types'
import { anything, hostName, integer, nonEmptyText, oneOf, text, textOrBytes } from './checks'
import { controlMaster, controlPath, controlPersist } from './control'
import { hostConfig } from './host-config'
import { type Check, describe, shape } from './schema'
import { notYet } from './unsupported'

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
  poolConfig: hostConfig,
  controlMaster,
  controlPath,
  controlPersist,
  shell,
  agent: notYet('give privateKey or password'),
  certificate: notYet('give privateKey or password'),
  keyboardInteractive: notYet('give privateKey or password'),
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
  'port' | 'username' | 'password' | 'privateKey' | 'passphrase' | 'hostKeyChecking' | 'knownHostsPath' | 'poolConfig'
  | 'shell' | 'controlMaster' | 'controlPath'>
  & { host: string, /** Milliseconds; 0 = for ever. */ controlPersist?: number }

export function checkTarget(value: unknown): CheckedTarget {
  if (typeof value !== 'object' || value === null) {
    throw new InvalidOptionError('target', `expected an object with at least 'host', got ${describe(value)}`)
  }
  const { host, ...rest } = fields(value, '')
  if (host === undefined) throw new InvalidOptionError('host', 'it is required')
  return { ...rest, host }
}
