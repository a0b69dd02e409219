import { constants } from 'node:os'
import { existingGlobalPool } from '../environment'
import { InvalidOptionError } from '../errors'
import { boolean, positiveDuration } from '../options/checks'
import { type Check, describe, shape } from '../options/schema'
import { SSHConnectionPool } from '../pool'
import type { ClosablePool, Registration } from './registry'
import { registry } from './shutdown'

export interface ShutdownOptions {
  /** The shared pool and the environment's pool. A function is asked when the signal comes. */
  pools?: readonly ClosablePool[] | (() => readonly ClosablePool[])
  /** ['SIGINT', 'SIGTERM'] */
  signals?: readonly NodeJS.Signals[]
  /** 10_000: milliseconds for running commands to end, at least 1; then they are cut */
  timeout?: number
  /**
   * Absent: end as the signal would have, unless the program listens to it itself. true: end in any case, with exit code
   * 128 + n. false: only close the pools.
   */
  exit?: boolean
}

const signals: Check<NodeJS.Signals[]> = (value, option) => {
  if (!Array.isArray(value)) throw new InvalidOptionError(option, `expected an array of signal names, got ${describe(value)}`)
  return value.map((name: unknown) => {
    // Nobody can listen to these two.
    if (isSignal(name) && name !== 'SIGKILL' && name !== 'SIGSTOP') return name
    throw new InvalidOptionError(option, `expected names such as 'SIGTERM' that a process can handle, got ${describe(name)}`)
  })
}

const isSignal = (name: unknown): name is NodeJS.Signals => typeof name === 'string' && Object.hasOwn(constants.signals, name)

const pools: Check<() => readonly ClosablePool[]> = (value, option) => {
  if (isPoolSource(value)) return value
  if (!isPoolList(value)) throw new InvalidOptionError(option, 'expected an array of pools, or a function that returns one')
  const listed = [...value]
  return () => listed
}

const isPoolSource = (value: unknown): value is () => readonly ClosablePool[] => typeof value === 'function'

const isPoolList = (value: unknown): value is readonly ClosablePool[] =>
  Array.isArray(value) && value.every(isPool)

function isPool(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'drain' in value && 'closeAll' in value
}

const fields = shape({ pools, signals, timeout: positiveDuration, exit: boolean })

/**
 * Lets running commands end, then closes the pools, when the process is told to end. Nothing is installed by an import;
 * the returned function takes it away again. Calls add up: every pool gets the longest time that any of them grants.
 */
export function installShutdownHandlers(options: ShutdownOptions = {}): () => void {
  const checked = fields(options, '')
  const registration: Registration = {
    pools: checked.pools ?? knownPools,
    signals: checked.signals ?? ['SIGINT', 'SIGTERM'],
    timeout: checked.timeout ?? 10_000,
    exit: checked.exit,
  }
  registry.add(registration)
  return () => { registry.remove(registration) }
}

function knownPools(): ClosablePool[] {
  const fromEnvironment = existingGlobalPool()
  return fromEnvironment === undefined ? [SSHConnectionPool.getInstance()] : [SSHConnectionPool.getInstance(), fromEnvironment]
}
