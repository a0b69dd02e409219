// Accounts of this machine for the tests.
import { isRoot } from './debian.mjs'
import { must, output } from './run.mjs'
import { done } from './terminal.mjs'

/** Creates the account if it is missing. `tests`: what needs it, for who has to be told. */
export async function ensureAccount(user, { shell = '/bin/sh', password, tests }) {
  if ((await output('id', ['-u', user])) !== undefined) return
  if (!isRoot()) throw new Error(`Tests of ${tests} need the account "${user}". Run this once as root: it creates it.`)
  await must('useradd', ['--create-home', '--shell', shell, user], { capture: true })
  await setPassword(user, password)
  done(`created the test account ${user}`)
}

export async function setPassword(user, password) {
  await must('chpasswd', [], { input: `${user}:${password}\n`, capture: true })
}
