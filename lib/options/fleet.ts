import { InvalidOptionError } from '../errors'
import type { FleetOptions, SSHTarget, WarmUpOptions } from '../types'
import { duration, integer } from './checks'
import { type CheckedExecOptions, execFields, signal } from './exec'
import { type Check, describe, shape } from './schema'

type Progress = FleetOptions<string | Buffer>['onProgress']

const isFunction = (value: unknown): value is NonNullable<Progress> => typeof value === 'function'

const callback: Check<Progress> = (value, option) => {
  if (isFunction(value)) return value
  throw new InvalidOptionError(option, `expected a function, got ${describe(value)}`)
}

const fleetFields = shape({ ...execFields, concurrency: integer(1, 10_000), onProgress: callback })

export type CheckedFleetOptions = CheckedExecOptions & { concurrency?: number; onProgress?: Progress }

/** Options for many targets. */
export function checkFleetOptions(value: unknown): CheckedFleetOptions {
  return value === undefined ? {} : fleetFields(value, '')
}

/** That it is a list, of which a copy is used; its entries are checked one by one. */
export function checkTargets(targets: readonly SSHTarget[]): SSHTarget[] {
  if (Array.isArray(targets)) return [...targets as SSHTarget[]]
  throw new InvalidOptionError('targets', `expected an array of targets, got ${describe(targets)}`)
}

const warmUpFields = shape({ connections: integer(1, 10_000), signal })

export function checkWarmUpOptions(value: unknown): WarmUpOptions {
  return value === undefined ? {} : warmUpFields(value, '')
}

const drainFields = shape({ timeout: duration })

export function checkDrainOptions(value: unknown): { timeout?: number } {
  return value === undefined ? {} : drainFields(value, '')
}
