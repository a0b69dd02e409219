import { userInfo } from 'node:os'
import type { NativeTarget, ProxySpec, TargetSpec } from '../binding'
import { InvalidOptionError } from '../errors'
import type { CheckedTarget } from '../options'
import type { HostPoolConfig } from '../types'
import { removeSocketsAtExit } from './control-sockets'
import type { HostRules } from './host-rules'
import type { Patience } from './patience'
import { prompterSpec } from './prompter'
import { verifierSpec } from './host-key-verifier'
import { hostSettings } from './settings'
import { type ConfiguredTarget, configuredSettings, wayTo } from './ssh-config'

/** A target with all that is said about its host. */
export interface ResolvedTarget {
  spec: TargetSpec
  /** The same as the engine keeps it for commands, once one has been run. */
  prepared?: NativeTarget
  /** Connections to have ready once it is used. */
  warmUpConnections: number
  /** Milliseconds; 0 = leases may be held for as long as one likes. */
  leakDetectionThreshold: number
  /** How its commands run, unless they say otherwise. */
  shell: Shell
}

export type Shell = 'login' | 'persistent'

/** At once, unless files have to be read for it. */
export function resolveTarget(target: CheckedTarget, rules: HostRules, within: Patience): ResolvedTarget | Promise<ResolvedTarget> {
  const way = wayTo(target, within)
  return way instanceof Promise ? way.then((found) => resolved(found, rules)) : resolved(way, rules)
}

function resolved(way: readonly ConfiguredTarget[], rules: HostRules): ResolvedTarget {
  const last = way.at(-1)
  if (last === undefined) throw new TypeError('a way without an end')
  if (last.controlMaster) removeSocketsAtExit()
  const config = configOf(last, rules)
  const { warmUpConnections = 0, leakDetectionThreshold = 0, shell = 'login' } = config ?? rules.base
  const jumps = way.slice(0, -1).map((hop) => targetSpec(hop, configOf(hop, rules)))
  const spec = { ...targetSpec(last, config), ...(jumps.length === 0 ? {} : { jumps }) }
  // Whatever its own configuration says, the last one is reached through the hops.
  if (jumps.length > 0) delete spec.proxy
  jumps.slice(1).forEach((hop) => { delete hop.proxy })
  return { spec, warmUpConnections, leakDetectionThreshold, shell: last.shell ?? shell }
}

/** The pool's rules know a host by both of its names; the configuration wins over them, the target over everything. */
function configOf(target: ConfiguredTarget, rules: HostRules): HostPoolConfig | undefined {
  const names = target.originalHost === undefined ? [target.host] : [target.originalHost, target.host]
  return rules.configFor(names, configuredSettings(target.fromConfig), withPersistence(target))
}

/** A shared connection stays open for others as long as `controlPersist` says. */
function withPersistence({ controlMaster, controlPath, controlPersist, poolConfig }: CheckedTarget): HostPoolConfig | undefined {
  if (!controlMaster || controlPath === undefined || controlPersist === undefined) return poolConfig
  return { ...poolConfig, idleTimeout: controlPersist }
}

/** The target in the engine's words, defaults filled in. `config` only where the pool's own settings do not apply. */
function targetSpec(target: ConfiguredTarget, config: HostPoolConfig | undefined): TargetSpec {
  const said = target.fromConfig
  const spec: TargetSpec = {
    host: target.host,
    port: target.port ?? 22,
    username: target.username ?? localUsername(),
    password: target.password,
    privateKey: target.privateKey,
    passphrase: target.passphrase,
    certificate: target.certificate,
    agent: target.agent,
    identitiesOnly: target.identitiesOnly,
    keyboardInteractive: target.keyboardInteractive === undefined ? undefined : prompterSpec(target.keyboardInteractive),
    hostKeyChecking: target.hostKeyChecking ?? said?.hostKeyChecking ?? 'accept-new',
    knownHostsPath: target.knownHostsPath,
    controlPath: target.controlPath === 'none' ? undefined : target.controlPath,
    controlPathExpanded: target.controlPathExpanded,
    controlServe: Boolean(target.controlMaster),
    hostKeyVerifier: verifierSpec(target.hostKeyVerifier),
    settings: config === undefined ? undefined : hostSettings(config),
  }
  return said === undefined && target.proxy === undefined ? spec : { ...spec, ...extras(target, spec) }
}

function extras(target: ConfiguredTarget, { host, username }: TargetSpec): Partial<TargetSpec> {
  const { fromConfig: said, originalHost = host } = target
  const proxy = proxySpec(target)
  if (proxy?.kind === 'command' && proxy.expanded !== true) [host, originalHost, said?.hostKeyAlias ?? host, username].forEach(refuseShellText)
  return {
    ...(said === undefined ? {} : { fromConfig: said.login, hostKeyAlias: said.hostKeyAlias, originalHost }),
    ...(proxy === undefined ? {} : { proxy }),
  }
}

function proxySpec({ proxy, jumpHost, fromConfig }: ConfiguredTarget): ProxySpec | undefined {
  if (proxy !== undefined) return proxy
  const command = fromConfig?.proxyCommand
  return command === undefined || jumpHost !== undefined ? undefined : { kind: 'command', command, expanded: true }
}

/** The engine would refuse them as well, but not by the option's name. */
function refuseShellText(name: string): void {
  if (/^-|[\s\p{Cc}'`"$\\;&<>|(){}*?!#~^]/u.test(name)) {
    throw new InvalidOptionError('proxy.command', 'host, its HostKeyAlias or username has characters that a shell would act on')
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
