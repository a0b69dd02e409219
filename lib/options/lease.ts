import type { LeaseOptions } from '../types'
import { boolean, duration, integer, positiveDuration } from './checks'
import { signal } from './exec'
import { shape } from './schema'

const fields = shape({ priority: integer(-1_000_000, 1_000_000), timeout: duration, signal })

const healthFields = shape({ timeout: positiveDuration })

export function checkHealthLimit(value: unknown): number {
  return value === undefined ? 5_000 : (healthFields(value, '').timeout ?? 5_000)
}

/** The interval; undefined = off. */
export function checkKeepAlive(on: unknown, interval: unknown): number | undefined {
  const every = interval === undefined ? 30_000 : positiveDuration(interval, 'interval')
  return boolean(on, 'on') ? every : undefined
}

export function checkLeaseOptions(value: unknown): LeaseOptions {
  return value === undefined ? {} : fields(value, '')
}
