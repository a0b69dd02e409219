// Debian packages that a build or the tests need: installed when we are root, named when we are not.
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { find } from './programs.mjs'
import { must } from './run.mjs'
import { step } from './terminal.mjs'

/** package → a program that proves it is installed. */
export const COMPILER = { gcc: 'gcc', 'libc6-dev': '/usr/include/stdlib.h' }
export const SERVERS = { 'openssh-server': 'sshd', 'openssh-client': 'ssh-keygen', 'dropbear-bin': 'dropbear', zsh: 'zsh', 'busybox-static': 'busybox', tcsh: 'tcsh', sudo: 'sudo' }
/** Engines and a registry that the Docker suites start; docker-compose is what the adapter calls for compose files. */
export const CONTAINERS = { 'docker.io': 'dockerd', podman: 'podman', runc: 'runc', 'docker-compose': 'docker-compose', 'docker-registry': 'docker-registry' }
/** What a private cluster is made of; any kubectl will do. */
export const CLUSTER = { 'docker.io': 'containerd', runc: 'runc', 'busybox-static': 'busybox', openssl: 'openssl', 'kubernetes-client': 'kubectl' }

const POLICY = '/usr/sbin/policy-rc.d'
const SAVED_POLICY = `${POLICY}.before-xec-native`

const isInstalled = (proof) => (proof.startsWith('/') ? existsSync(proof) : find(proof) !== undefined)

/** Those of the packages that are not installed. */
export const missing = (packages) => Object.keys(packages).filter((name) => !isInstalled(packages[name]))

export const isRoot = () => process.getuid?.() === 0

/** Installs what is missing, or says what to install and throws. */
export async function ensure(packages) {
  const wanted = missing(packages)
  if (wanted.length > 0) await install(wanted)
}

/** Installs packages, or says what to install and throws. */
export async function install(wanted) {
  if (!isRoot() || find('apt-get') === undefined) {
    throw new Error(`Missing: ${wanted.join(', ')}. Install them (Debian: sudo apt-get install ${wanted.join(' ')}) and run this again.`)
  }
  step(`installing ${wanted.join(', ')}`)
  await withoutStartingServices(async () => {
    await apt('update', '-q')
    await apt('install', '-q', '-y', '--no-install-recommends', ...wanted)
  })
}

const apt = (...args) =>
  must('apt-get', ['-o', 'DPkg::Lock::Timeout=300', ...args], { env: { DEBIAN_FRONTEND: 'noninteractive' }, capture: true })

/**
 * openssh-server starts a server on port 22 when it is installed, docker.io a daemon. We only want their programs: the policy file is
 * Debian's own way to say so, and whatever stood there before comes back.
 */
async function withoutStartingServices(work) {
  if (existsSync(POLICY) && !existsSync(SAVED_POLICY)) renameSync(POLICY, SAVED_POLICY)
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  // Also when a signal ends us halfway: `finally` does not run then.
  process.once('exit', restorePolicy)
  try {
    await work()
  } finally {
    process.off('exit', restorePolicy)
    restorePolicy()
  }
}

function restorePolicy() {
  if (existsSync(SAVED_POLICY)) renameSync(SAVED_POLICY, POLICY)
  else rmSync(POLICY, { force: true })
}
