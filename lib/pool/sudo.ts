import type { SudoSpec } from '../binding'
import { UnsupportedOptionError } from '../errors'
import type { CheckedSudo } from '../options'
import type { Terminal } from '../options/exec'
import type { ResolvedTarget } from './target-spec'

/** The part of a command that sudo is about. */
export function sudoSpec(sudo: CheckedSudo | undefined, pty: Terminal | undefined): { sudo?: SudoSpec } {
  if (sudo === undefined) return {}
  // A terminal would show the password, and it merges the stream that tells when sudo is done with the command's own.
  if (pty !== undefined) throw new UnsupportedOptionError('pty', 'a command that runs by sudo has no terminal')
  const { user, password, passwordMethod: method } = sudo
  return { sudo: { user, password, method } }
}

/** For what sudo has no part in, and would silently run as the login user. */
export function withoutSudo<T extends ResolvedTarget>(resolved: T, what: string): T {
  if (resolved.sudo === undefined) return resolved
  throw new UnsupportedOptionError('sudo', `${what} as the login user: leave sudo out of the target`)
}
