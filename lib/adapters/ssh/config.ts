import { anything, boolean, duration, integer, positiveDuration, text } from '../../options/checks'
import { hostConfig } from '../../options/host-config'
import { type Check, shape } from '../../options/schema'
import { targetFields } from '../../options/target'
import { passwordMethod, sudoFields } from '../../options/sudo'
import type { HostPoolConfig, SSHTarget, SudoOptions } from '../../types'
import { ADAPTER_DEFAULTS, type AdapterConfig, type AlwaysGiven, adapterFields } from '../config'
import { given } from './given'

/** Options of ssh2 that mean the same here. */
export type DefaultConnectOptions = Pick<SSHTarget,
  'port' | 'username' | 'password' | 'privateKey' | 'passphrase' | 'certificate' | 'agent' | 'identitiesOnly' | 'keyboardInteractive'
  | 'sshConfig' | 'sshConfigExec' | 'jumpHost' | 'proxy'>
  & { readyTimeout?: number; keepaliveInterval?: number; keepaliveCountMax?: number }

/** What a target's own `sudo` does not say. */
export interface AdapterSudo extends Partial<SudoOptions> {
  /** As `passwordMethod`, which wins. */
  method?: SudoOptions['passwordMethod']
  /** Accepted without effect: nobody gets to see a prompt. */
  prompt?: string
  /** Accepted without effect: askpass needs no help. */
  secureHandler?: unknown
}

export interface SSHAdapterConfig extends AdapterConfig {
  /** Accepted without effect: the remote user's login shell runs commands. */
  defaultShell?: string | boolean
  /** Settings of the connections this adapter opens; a target's own `poolConfig` wins over them. */
  connectionPool?: HostPoolConfig
  /** What a target does not say itself. */
  defaultConnectOptions?: DefaultConnectOptions
  /** 'accept-new' */
  hostKeyChecking?: SSHTarget['hostKeyChecking']
  knownHostsPath?: string
  /**
   * Share connections with other processes: `controlMaster: 'auto'` for targets that do not say otherwise. Without a
   * `controlPath` it has no effect: within the process connections are shared anyway.
   */
  multiplexing?: { enabled?: boolean; controlPath?: string; controlPersist?: string | number | boolean }
  /** For every command whose target does not say otherwise. File transfers are the login user's. */
  sudo?: AdapterSudo | false | null
  /** `concurrency`: 5 files at a time in `uploadDirectory`. Not enabled, file transfers are refused. */
  sftp?: { enabled?: boolean; concurrency?: number }
}

const {
  port, username, password, privateKey, passphrase, certificate, agent, identitiesOnly, keyboardInteractive, hostKeyChecking,
  knownHostsPath, sshConfig, sshConfigExec, controlPath,
} = targetFields

/** Checked here, and passed on as it was given: the pool checks every target. */
function asGiven<T>(check: Check<unknown>): Check<T> {
  return (value, option) => {
    check(value, option)
    // What the check has let through is what the type says.
    return value as T
  }
}

const persistence = asGiven<NonNullable<SSHTarget['controlPersist']>>(targetFields.controlPersist)
const jumpHost = asGiven<NonNullable<SSHTarget['jumpHost']>>(targetFields.jumpHost)
const proxy = asGiven<NonNullable<SSHTarget['proxy']>>(targetFields.proxy)

const sudoOptions = shape({ ...sudoFields, method: passwordMethod, prompt: text, secureHandler: anything })

/** As for a target, `false` and `null` ask for nothing. */
const isOff = (value: unknown): value is false | null | undefined => value === false || value === null || value === undefined

const sudo: Check<AdapterSudo> = (value, option) => (isOff(value) ? { enabled: false } : sudoOptions(value, option))

export const checkAdapterConfig: Check<SSHAdapterConfig> = shape({
  ...adapterFields,
  connectionPool: hostConfig,
  defaultConnectOptions: shape({
    port, username, password, privateKey, passphrase, certificate, agent, identitiesOnly, keyboardInteractive,
    sshConfig, sshConfigExec, jumpHost, proxy,
    readyTimeout: positiveDuration,
    keepaliveInterval: duration,
    keepaliveCountMax: integer(1, 1_000),
  }),
  hostKeyChecking,
  knownHostsPath,
  multiplexing: shape({ enabled: boolean, controlPath, controlPersist: persistence }),
  sudo,
  sftp: shape({ enabled: boolean, concurrency: integer(1, 1_000) }),
})

export type ResolvedAdapterConfig = SSHAdapterConfig & Required<Pick<SSHAdapterConfig, AlwaysGiven>>

export const DEFAULT_ADAPTER_CONFIG: ResolvedAdapterConfig = {
  ...ADAPTER_DEFAULTS,
}

/** `changes` over `current`; groups of options are merged, not replaced. */
export function mergeConfig(current: ResolvedAdapterConfig, changes: SSHAdapterConfig): ResolvedAdapterConfig {
  return {
    ...current,
    ...changes,
    sensitiveDataMasking: { ...current.sensitiveDataMasking, ...changes.sensitiveDataMasking },
    connectionPool: { ...current.connectionPool, ...changes.connectionPool },
    defaultConnectOptions: { ...current.defaultConnectOptions, ...changes.defaultConnectOptions },
    sudo: { ...current.sudo, ...changes.sudo },
  }
}

/** The target with the adapter's defaults filled in. */
export function withDefaults(target: SSHTarget, config: ResolvedAdapterConfig): SSHTarget {
  const { readyTimeout, keepaliveInterval, keepaliveCountMax, jumpHost: way, proxy: through, ...connect } = config.defaultConnectOptions ?? {}
  const hasOwnWay = target.jumpHost !== undefined || target.proxy !== undefined
  return {
    ...connect,
    ...(hasOwnWay ? {} : given({ jumpHost: way, proxy: through })),
    ...given({ hostKeyChecking: config.hostKeyChecking, knownHostsPath: config.knownHostsPath }),
    ...sharing(config.multiplexing),
    ...given(target),
    ...elevation(target.sudo, config.sudo),
    host: target.host,
    poolConfig: {
      ...given({ connectionTimeout: readyTimeout, keepAliveCountMax: keepaliveCountMax }),
      ...keepAlive(keepaliveInterval),
      ...config.connectionPool,
      ...target.poolConfig,
    },
  }
}

function sharing(multiplexing: SSHAdapterConfig['multiplexing']): Partial<SSHTarget> {
  const { enabled = true, controlPath: path, controlPersist: persist } = multiplexing ?? {}
  if (!enabled || path === undefined) return {}
  return given({ controlMaster: 'auto' as const, controlPath: path, controlPersist: persist })
}

function elevation(own: SudoOptions | undefined, defaults: SSHAdapterConfig['sudo']): Pick<SSHTarget, 'sudo'> {
  const { enabled = false, user, password, method, passwordMethod = method } = isOff(defaults) ? {} : defaults
  if (own === undefined && !enabled) return {}
  // What is no object is left for the check of the target to refuse.
  if (own !== undefined && (typeof own !== 'object' || (own as unknown) === null)) return {}
  return { sudo: { enabled, ...given({ user, password, passwordMethod }), ...given(own ?? {}) } }
}

/** ssh2 switches keepalive off with an interval of 0. */
function keepAlive(interval: number | undefined): HostPoolConfig {
  if (interval === undefined) return {}
  return interval === 0 ? { keepAlive: false } : { keepAliveInterval: interval }
}
