import { type ConfigOutcome, type ConfigRecord, resolveSshConfig } from '../binding'
import { InvalidUsageError, errorFromFailure } from '../errors'
import { MOST_HOPS, type CheckedHop, type CheckedTarget } from '../options'
import type { HostPoolConfig } from '../types'
import { linkAbort } from './abort'
import { type Patience, spent } from './patience'

/** A target to which the configuration has added what it did not say itself. */
export interface ConfiguredTarget extends CheckedTarget {
  /** As it was asked for, if that is not `host`. */
  originalHost?: string
  /** The control path's tokens have been replaced already. */
  controlPathExpanded?: boolean
  /** What only a configuration can say. */
  fromConfig?: ConfigRecord
}

/**
 * The hosts on the way to a target, and the target itself at the end. What a target says wins over the configuration. Files
 * are read only for those that ask for it; without any, the answer is there at once.
 */
export function wayTo(target: CheckedTarget, within: Patience): ConfiguredTarget[] | Promise<ConfiguredTarget[]> {
  const asks = (one: CheckedHop): boolean => 'sshConfig' in one && isAsked(one)
  const all = chain(target)
  return all.some(asks) ? configuredWay(target, within, 0) : all.flatMap((one) => plain(one))
}

/** The target behind its own hops and their hops, without any configuration. */
function chain(target: CheckedTarget): CheckedHop[] {
  const hops = target.jumpHost ?? []
  return [...hops.flatMap((hop) => ('jumpHost' in hop ? chain(hop) : [hop])), target]
}

const plain = (one: CheckedHop): ConfiguredTarget => ({ ...one })

const isAsked = ({ sshConfig }: CheckedTarget): boolean => sshConfig !== undefined && sshConfig !== false

async function configuredWay(target: CheckedTarget, within: Patience, depth: number): Promise<ConfiguredTarget[]> {
  if (depth > MOST_HOPS) throw leadsInCircles(target)
  const configured = isAsked(target) ? await configure(target, within) : { ...target }
  const way: ConfiguredTarget[] = []
  for (const hop of hopsOf(configured)) {
    const own = asTarget(hop, target)
    // Only the first one is reached as its own configuration says; the others are reached from the one before.
    const to = way.length === 0 ? await configuredWay(own, within, depth + 1) : [isAsked(own) ? await configure(own, within) : { ...own }]
    way.push(...to)
    if (way.length > MOST_HOPS) throw leadsInCircles(target)
  }
  return [...way, configured]
}

/** An address on its own is looked up where the target is, as `ssh -J` does. It inherits nothing else. */
function asTarget(hop: CheckedHop, { sshConfig, sshConfigExec }: CheckedTarget): CheckedTarget {
  if (!('isAddress' in hop)) return hop
  return { ...hop, ...(sshConfig === undefined ? {} : { sshConfig }), ...(sshConfigExec === undefined ? {} : { sshConfigExec }) }
}

function hopsOf(target: ConfiguredTarget): CheckedHop[] {
  if (target.jumpHost !== undefined) return target.jumpHost
  const said = target.proxy === undefined ? target.fromConfig?.jumps ?? [] : []
  return said.map((hop) => ({ ...hop, isAddress: true }))
}

async function configure(target: CheckedTarget, within: Patience): Promise<ConfiguredTarget> {
  const { host } = target
  const { resolved, failure } = await ask(target, within)
  if (failure !== undefined) throw errorFromFailure(failure, { reason: within.signal?.reason })
  if (resolved === undefined) throw new TypeError('the engine answered with neither configuration nor failure')
  return {
    ...target,
    host: resolved.host,
    originalHost: host,
    ...(resolved.username === undefined ? {} : { username: resolved.username }),
    ...(resolved.port === undefined ? {} : { port: resolved.port }),
    ...sharing(target, resolved),
    fromConfig: resolved,
  }
}

/** ControlMaster, ControlPath and ControlPersist, as far as the target does not say them itself. */
function sharing(target: CheckedTarget, said: ConfigRecord): Partial<ConfiguredTarget> {
  if (process.platform === 'win32') return {}
  const { controlMaster = said.controlMaster } = target
  const persist = said.controlPersist === undefined || said.controlPersist < 0 ? undefined : said.controlPersist
  return {
    ...(controlMaster === undefined ? {} : { controlMaster }),
    ...(said.controlPath === undefined ? {} : { controlPath: said.controlPath, controlPathExpanded: true }),
    ...('controlPersist' in target || persist === undefined ? {} : { controlPersist: persist }),
  }
}

async function ask(target: CheckedTarget, within: Patience): Promise<ConfigOutcome> {
  const { host, username, port, controlPath, sshConfig, sshConfigExec } = target
  const file = typeof sshConfig === 'string' ? { file: sshConfig } : {}
  const query = { host, username, port, controlPath, exec: sshConfigExec ?? false, ...file }
  const { timeout = 0, signal } = within
  const link = linkAbort(signal)
  try {
    return await resolveSshConfig(query, link.token, timeout === 0 ? undefined : timeout, spent(within))
  } finally {
    link.unlink()
  }
}

/** What the configuration says about things that are settings of the pool. */
export function configuredSettings(said: ConfigRecord | undefined): HostPoolConfig | undefined {
  if (said === undefined) return undefined
  const { aliveInterval, aliveCountMax, connectTimeout } = said
  const settings: HostPoolConfig = {
    ...(aliveInterval === undefined ? {} : aliveInterval === 0 ? { keepAlive: false } : { keepAlive: true, keepAliveInterval: aliveInterval }),
    ...(aliveCountMax === undefined ? {} : { keepAliveCountMax: Math.max(1, aliveCountMax) }),
    ...(connectTimeout === undefined ? {} : { connectionTimeout: connectTimeout }),
  }
  return Object.keys(settings).length === 0 ? undefined : settings
}

function leadsInCircles({ host }: CheckedTarget): InvalidUsageError {
  return new InvalidUsageError({
    code: 'ESSHCONFIG', kind: 'invalid-usage', reached: false, host,
    message: `The jump hosts on the way to ${host} lead in a circle: a host that jumps must not jump through itself`,
  })
}
