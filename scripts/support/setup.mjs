// Everything a fresh clone needs before it can run, each step skipped when it is already done.
import { CLUSTER, COMPILER, CONTAINERS, SERVERS, ensure } from './debian.mjs'
import { ensureNodeModules, npmScript } from './npm.mjs'
import { WANTED_NODE, atLeast, rustVersion, wantedRust } from './programs.mjs'
import { ensurePythonServers } from './python.mjs'
import { ensureRuntimes } from './runtimes.mjs'
import { bold, done, elapsed, step } from './terminal.mjs'
import { ensureShellUsers } from './test-shells.mjs'
import { ensureSudoUsers } from './test-sudo.mjs'
import { ensureTestUser } from './test-user.mjs'

/** Brings the clone into a state where it runs; with `servers`, also what the tests start; `extra`: name → further work. */
export async function setup({ servers = false, extra = {} } = {}) {
  checkNode()
  await checkRust()
  await ensure(COMPILER)
  if (servers) await ensureServers()
  if (servers) await timed('servers from PyPI', ensurePythonServers)
  if (servers) await timed('other runtimes', ensureRuntimes)
  await timed('node packages', ensureNodeModules)
  await timed('native engine', () => npmScript('build:native'))
  await timed('TypeScript facade', () => npmScript('build:ts'))
  for (const [what, work] of Object.entries(extra)) await timed(what, work)
}

async function timed(what, work) {
  const start = performance.now()
  step(`${bold(what)} …`)
  await work()
  done(`${what} ready (${elapsed(performance.now() - start)})`)
}

async function ensureServers() {
  await ensure(SERVERS)
  await ensure(CONTAINERS)
  await ensure(CLUSTER)
  await ensureTestUser()
  await ensureShellUsers()
  await ensureSudoUsers()
}

function checkNode() {
  if (atLeast(process.versions.node, WANTED_NODE)) return
  throw new Error(`Node.js ${WANTED_NODE} or newer is needed; this is ${process.versions.node}.`)
}

async function checkRust() {
  const [have, want] = [await rustVersion(), wantedRust()]
  if (have === undefined) throw new Error(`Rust ${want} or newer is needed and no "rustc" was found. Install it with rustup, then run this again.`)
  if (!atLeast(have, want)) throw new Error(`Rust ${want} or newer is needed; this is ${have}. "rustup update stable" brings it.`)
}
