import { UnsupportedOptionError } from '../errors'
import type { Check } from './schema'

/** An option that belongs elsewhere. Ignoring it would run something else than asked, so giving it at all is an error. */
export function refused(hint: string): Check<undefined> {
  return (_value, option) => { throw new UnsupportedOptionError(option, hint) }
}
