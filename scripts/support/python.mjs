// SSH servers from PyPI, in an environment of their own, for the tests that want other implementations than OpenSSH.
import { existsSync } from 'node:fs'
import { install } from './debian.mjs'
import { inRoot } from './paths.mjs'
import { find } from './programs.mjs'
import { must, output } from './run.mjs'

/** Pinned: a server that changes under the tests makes them mean something else. */
const PACKAGES = ['asyncssh==2.24.1', 'paramiko==5.1.0']

const FOLDER = inRoot('.cache', 'python')

export const python = `${FOLDER}/bin/python`

export async function ensurePythonServers() {
  if (await isComplete()) return
  await ensureVenv()
  await must('python3', ['-m', 'venv', FOLDER], { capture: true })
  await must(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES], { capture: true })
}

async function isComplete() {
  if (!existsSync(python)) return false
  const have = (await output(python, ['-m', 'pip', 'freeze', '--disable-pip-version-check'])) ?? ''
  return PACKAGES.every((name) => have.split('\n').includes(name))
}

/** Debian's python3 comes without what makes environments. */
async function ensureVenv() {
  const usable = find('python3') !== undefined && (await output('python3', ['-c', 'import venv, ensurepip'])) !== undefined
  if (!usable) await install(['python3', 'python3-venv'])
}
