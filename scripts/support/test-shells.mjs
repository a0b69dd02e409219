// More accounts for the tests of shells: one for each login shell, with the same password. Debian has no busybox shell under
// a name of its own, so that one gets a link.
import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { ensureAccount } from './account.mjs'
import { isRoot } from './debian.mjs'
import { must } from './run.mjs'
import { TEST_PASSWORD, TEST_USER } from './test-user.mjs'

const ASH = '/usr/local/lib/xec-test/ash'

/** login shell → account */
export const SHELL_USERS = {
  '/bin/dash': `${TEST_USER}-dash`,
  '/bin/bash': `${TEST_USER}-bash`,
  '/bin/zsh': `${TEST_USER}-zsh`,
  [ASH]: `${TEST_USER}-ash`,
  '/bin/tcsh': `${TEST_USER}-csh`,
  '/bin/rbash': `${TEST_USER}-rbash`,
  '/usr/sbin/nologin': `${TEST_USER}-nologin`,
}

/** Creates the accounts that are missing. */
export async function ensureShellUsers() {
  if (!existsSync(ASH) && isRoot()) {
    mkdirSync('/usr/local/lib/xec-test', { recursive: true })
    symlinkSync('/bin/busybox', ASH)
    // dropbear lets nobody in whose shell is not on the system's list.
    await must('add-shell', [ASH], { capture: true })
  }
  for (const [shell, user] of Object.entries(SHELL_USERS)) {
    await ensureAccount(user, { shell, password: TEST_PASSWORD, tests: 'login shells' })
  }
}
