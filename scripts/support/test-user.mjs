// The account that the private servers log into: a plain shell and a known password, on this machine only.
import { ensureAccount, setPassword } from './account.mjs'
import { isRoot } from './debian.mjs'

export const TEST_USER = 'xectest'
export const TEST_PASSWORD = 'correct horse battery'

/** Creates the account, or sets its password right where it exists. */
export async function ensureTestUser() {
  await ensureAccount(TEST_USER, { password: TEST_PASSWORD, tests: 'password logins' })
  if (isRoot()) await setPassword(TEST_USER, TEST_PASSWORD)
}
