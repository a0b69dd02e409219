import { userInfo } from 'node:os'
import type { TargetSpec } from '../binding'
import { InvalidOptionError } from '../errors'
import type { CheckedTarget } from '../options'
import type { HostPoolConfig } from '../types'
import { removeSocketsAtExit } from './control-sockets'
import type { HostRules } from './host-rules'
import { hostSettings } from './settings'

/** A target with all that is said about its host. */
export interface ResolvedTarget {
  spec: TargetSpec
  /** Connections to have ready once it is used. */
  warmUpConnections: number
  /** Milliseconds; 0 = leases may be held for as long as one likes. */
  leakDetectionThreshold: number
  /** How its commands run, unless they say otherwise. */
  shell: Shell
}

export type Shell = 'login' | 'persistent'

export function resolveTarget(target: CheckedTarget, rules: HostRules): ResolvedTarget {
  if (target.controlMaster) removeSocketsAtExit()
  const config = rules.configFor(target.host, withPersistence(target))
  const { warmUpConnections = 0, leakDetectionThreshold = 0, shell = 'login' } = config ?? rules.base
  return { spec: targetSpec(target, config), warmUpConnections, leakDetectionThreshold, shell: target.shell ?? shell }
}

/** A shared connection stays open for others as long as `controlPersist` says. */
function withPersistence({ controlMaster, controlPath, controlPersist, poolConfig }: CheckedTarget): HostPoolConfig | undefined {
  if (!controlMaster || controlPath === undefined || controlPersist === undefined) return poolConfig
  return { ...poolConfig, idleTimeout: controlPersist }
}

/** The target in the engine's words, defaults filled in. `config` only where the pool's own settings do not apply. */
function targetSpec(target: CheckedTarget, config: HostPoolConfig | undefined): TargetSpec {
  return {
    host: target.host,
    port: target.port ?? 22,
    username: target.username ?? localUsername(),
    password: target.password,
    privateKey: target.privateKey,
    passphrase: target.passphrase,
    hostKeyChecking: target.hostKeyChecking ?? 'accept-new',
    knownHostsPath: target.knownHostsPath,
    controlPath: target.controlPath === 'none' ? undefined : target.controlPath,
    controlServe: Boolean(target.controlMaster),
    settings: config === undefined ? undefined : hostSettings(config),
  }
}

let cachedUsername: string | undefined

/** As `ssh` does: without a name, the remote user is called like the local one. */
function localUsername(): string {
  cachedUsername ??= readUsername()
  return cachedUsername
}

function readUsername(): string {
  try {
    return userInfo().username
  } catch {
    // A user id without an account, usual in containers.
    throw new InvalidOptionError('username', 'it is required here, because the local user has no name')
  }
}
