import { readFileSync, readdirSync } from 'node:fs'
import type { SSHTarget, SudoOptions } from '../../index.mjs'
import { type OpenSSHServer, TEST_PASSWORD } from '../support/openssh'

/** The accounts that the set-up makes (scripts/support/test-sudo.mjs): asked for a password, not asked, not allowed. */
export const ASKED = 'xecsudo'
export const TRUSTED = 'xecroot'
export const OUTSIDER = 'xecnosudo'
/** As the first, but its sudo makes no terminal (`!use_pty`), and with a password that no shell should get between its teeth. */
export const ODD = 'xecodd'
export const ODD_PASSWORD = ` it's "q" \\n %s $HOME \`id\` * ü\\ `

/** As the first, but its sudo runs nothing without a terminal (`requiretty`). */
export const TERMINAL = 'xectty'

export const METHODS = ['askpass', 'stdin'] as const

export const as = (server: OpenSSHServer, username: string, sudo: Partial<SudoOptions> = {}): SSHTarget =>
  server.target({ username, sudo: { enabled: true, ...sudo } })

/** A target of the account that sudo asks for its password. */
export const asked = (server: OpenSSHServer, sudo: Partial<SudoOptions> = {}): SSHTarget =>
  as(server, ASKED, { password: TEST_PASSWORD, ...sudo })

/** Every process's arguments and environment that mention a text. */
export function mentions(text: string): string[] {
  const found: string[] = []
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const file of ['cmdline', 'environ']) {
      try {
        if (readFileSync(`/proc/${pid}/${file}`).includes(text)) found.push(`/proc/${pid}/${file}`)
      } catch {
        // It ended meanwhile, or is a process of the kernel.
      }
    }
  }
  return found
}
