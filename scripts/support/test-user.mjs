// The account that the private servers log into: a plain shell and a known password, on this machine only.
import { isRoot } from './debian.mjs'
import { must, output } from './run.mjs'
import { done } from './terminal.mjs'

export const TEST_USER = 'xectest'
export const TEST_PASSWORD = 'correct horse battery'

/** Creates the account, or sets its password and shell right where it exists. */
export async function ensureTestUser() {
  if ((await output('id', ['-u', TEST_USER])) === undefined) await createTestUser()
  if (isRoot()) await must('chpasswd', [], { input: `${TEST_USER}:${TEST_PASSWORD}\n`, capture: true })
}

async function createTestUser() {
  if (!isRoot()) throw new Error(`Tests of password logins need the account "${TEST_USER}". Run this once as root: it creates it.`)
  await must('useradd', ['--create-home', '--shell', '/bin/sh', TEST_USER], { capture: true })
  done(`created the test account ${TEST_USER}`)
}
