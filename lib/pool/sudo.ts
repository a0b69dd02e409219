import type { SudoSpec } from '../binding'
import { UnsupportedOptionError } from '../errors'
import type { CheckedSudo, CheckedTarget } from '../options'
import type { Terminal } from '../options/exec'

/** The part of a command that sudo is about. */
export function sudoSpec(sudo: CheckedSudo | undefined, pty: Terminal | undefined): { sudo?: SudoSpec } {
  if (sudo === undefined) return {}
  // A terminal would show the password, and it merges the stream that tells when sudo is done with the command's own.
  if (pty !== undefined) throw new UnsupportedOptionError('pty', 'a command that runs by sudo has no terminal')
  const { user, password, passwordMethod: method } = sudo
  return { sudo: { user, password, method } }
}

/** For what sudo has no part in, and would silently run as the login user. */
export function withoutSudo(target: CheckedTarget, what: string): CheckedTarget {
  if (target.sudo === undefined) return target
  throw new UnsupportedOptionError('sudo', `${what} as the login user: leave sudo out of the target`)
}
