import { InvalidOptionError } from '../errors'
import type { HostKeyVerifier, KeyboardInteractive, SSHTarget } from '../types'
import { anything, boolean, hostName, integer, nonEmptyText, oneOf, text, textOrBytes } from './checks'
import { controlMaster, controlPath, controlPersist } from './control'
import { hostConfig } from './host-config'
import { type HopAddress, MOST_HOPS, jumpHosts } from './jump-host'
import { type CheckedProxy, proxy } from './proxy'
import { type Check, describe, shape } from './schema'
import { type CheckedSudo, sudo } from './sudo'

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

/** A path, or whether to read the usual files. */
const sshConfig: Check<string | boolean> = (value, option) =>
  typeof value === 'string' ? nonEmptyText(value, option) : boolean(value, option)

/** `false` and `null` ask for nothing, as everywhere. The function is called later than this file is read. */
const jumpHost: Check<CheckedHop[] | undefined> = (value, option) =>
  value === false || value === null ? undefined : jumpHosts<CheckedHop>((hop, path) => checkHop(hop, path))(value, option)

const noProxy: Check<CheckedProxy | undefined> = (value, option) =>
  value === false || value === null ? undefined : proxy(value, option)

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
  hostKeyVerifier,
  poolConfig: hostConfig,
  controlMaster,
  controlPath,
  controlPersist,
  shell,
  sshConfig,
  sshConfigExec: boolean,
  jumpHost,
  proxy: noProxy,
  sudo,
  /** What @xec-sh/core adds to the options of `$.ssh({...})`. */
  type: anything,
}

const fields = shape(targetFields)

/** A target whose `host` is known to be there. */
export type CheckedTarget = Pick<SSHTarget,
  'port' | 'username' | 'password' | 'privateKey' | 'passphrase' | 'certificate' | 'agent' | 'identitiesOnly' | 'keyboardInteractive'
  | 'hostKeyChecking' | 'knownHostsPath' | 'hostKeyVerifier' | 'poolConfig' | 'shell' | 'sshConfig' | 'sshConfigExec'
  | 'controlMaster' | 'controlPath'>
  & {
    host: string, jumpHost?: CheckedHop[] | undefined, proxy?: CheckedProxy | undefined, sudo?: CheckedSudo | undefined,
    /** Milliseconds; 0 = for ever. */
    controlPersist?: number
  }

/** A host on the way: a target of its own, or only its address. */
export type CheckedHop = CheckedTarget | HopAddress

export function checkTarget(value: unknown): CheckedTarget {
  return checkAt(value, '')
}

function checkAt(value: unknown, at: string): CheckedTarget {
  if (typeof value !== 'object' || value === null) {
    throw new InvalidOptionError(at === '' ? 'target' : at, `expected an object with at least 'host', got ${describe(value)}`)
  }
  const { host, ...rest } = fields(value, at)
  const option = (name: string): string => (at === '' ? name : `${at}.${name}`)
  if (host === undefined) throw new InvalidOptionError(option('host'), 'it is required')
  if (rest.jumpHost !== undefined && rest.proxy !== undefined) {
    throw new InvalidOptionError(option('proxy'), 'with jumpHost, the proxy belongs to the first of those: jumpHost: { host, proxy }')
  }
  rest.jumpHost?.slice(1).forEach((hop, index) => { refuseOwnWay(hop, `${option('jumpHost')}[${index + 1}]`) })
  return { ...rest, host }
}

/** Depth is bounded, so that an object that holds itself is an error and no endless walk. */
let depth = 0

function checkHop(value: unknown, at: string): CheckedTarget {
  depth += 1
  try {
    if (depth > MOST_HOPS) throw new InvalidOptionError('jumpHost', `expected at most ${MOST_HOPS} hosts, one behind the other`)
    return checkAt(value, at)
  } finally {
    depth -= 1
  }
}

/** Only the first one is reached from here; the others are reached from the one before. */
function refuseOwnWay(hop: CheckedHop, at: string): void {
  for (const name of ['jumpHost', 'proxy'] as const) {
    if (name in hop && (hop as CheckedTarget)[name] !== undefined) {
      throw new InvalidOptionError(`${at}.${name}`, 'this host is reached through the one before it: only the first may say how')
    }
  }
}
