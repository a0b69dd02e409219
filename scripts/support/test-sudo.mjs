// Accounts for the tests of sudo, with the same password: one that is asked for it, one that is not, one that may not.
import { chmodSync, writeFileSync } from 'node:fs'
import { ensureAccount } from './account.mjs'
import { isRoot } from './debian.mjs'
import { TEST_PASSWORD } from './test-user.mjs'

/** What shells and printf have a meaning for. */
export const ODD_PASSWORD = ` it's "q" \\n %s $HOME \`id\` * ü\\ `

/** account → its rule */
export const SUDO_USERS = {
  xecsudo: 'xecsudo ALL=(ALL:ALL) ALL',
  xecroot: 'xecroot ALL=(ALL:ALL) NOPASSWD: ALL',
  xecnosudo: undefined,
  // With a terminal of its own, as Debian's sudo runs commands, it does other things to signals and stdin.
  xecodd: 'Defaults:xecodd !use_pty\nxecodd ALL=(ALL:ALL) ALL',
  // It must have a terminal.
  xectty: 'Defaults:xectty requiretty\nxectty ALL=(ALL:ALL) ALL',
}

const RULES = '/etc/sudoers.d/xec-native'

/** Creates the accounts that are missing, and their rules. */
export async function ensureSudoUsers() {
  for (const user of Object.keys(SUDO_USERS)) {
    await ensureAccount(user, { password: user === 'xecodd' ? ODD_PASSWORD : TEST_PASSWORD, tests: 'sudo' })
  }
  if (!isRoot()) return
  const rules = Object.values(SUDO_USERS).filter((rule) => rule !== undefined)
  writeFileSync(RULES, `${rules.join('\n')}\n`)
  // sudo ignores a file that others may write.
  chmodSync(RULES, 0o440)
}
