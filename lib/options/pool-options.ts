import { InvalidOptionError } from '../errors'
import type { HostPoolConfig, PoolOptions } from '../types'
import { integer, positiveDuration } from './checks'
import { consistent, hostConfig, hostConfigFields } from './host-config'
import { type Check, describe, shape } from './schema'

const hosts: Check<Record<string, HostPoolConfig>> = (value, option) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidOptionError(option, `expected an object from host pattern to settings, got ${describe(value)}`)
  }
  return Object.fromEntries(
    Object.entries(value).map(([pattern, config]) => [pattern, hostConfig(config, `${option}[${JSON.stringify(pattern)}]`)]),
  )
}

const fields = shape({
  ...hostConfigFields,
  maxTotalConnections: integer(1, 100_000),
  cleanupInterval: positiveDuration,
  hosts,
})

export const poolOptions: Check<PoolOptions> = (value, option) => consistent(fields(value, option), option)
