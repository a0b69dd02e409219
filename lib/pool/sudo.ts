import type { SudoSpec } from '../binding'
import type { CheckedSudo } from '../options'

/** The part of a command that sudo is about. */
export function sudoSpec(sudo: CheckedSudo | undefined): { sudo?: SudoSpec } {
  if (sudo === undefined) return {}
  const { user, password, passwordMethod: method } = sudo
  return { sudo: { user, password, method } }
}
