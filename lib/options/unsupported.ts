import { UnsupportedOptionError } from '../errors'
import type { Check } from './schema'

/**
 * An option of the public interface that this version cannot honour. Ignoring it would connect or run differently from
 * what was asked, so it is refused, unless its value asks for nothing (`false`, or `{ enabled: false }`).
 */
export function notYet(hint: string, asksForNothing: (value: unknown) => boolean = isOff): Check<undefined> {
  return (value, option) => {
    if (!asksForNothing(value)) throw new UnsupportedOptionError(option, hint)
    return undefined
  }
}

function isOff(value: unknown): boolean {
  return value === false || value === null || isDisabled(value)
}

function isDisabled(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'enabled' in value && value.enabled === false
}
