// Which programs are here, and whether they are new enough.
import { accessSync, constants, readFileSync } from 'node:fs'
import path from 'node:path'
import { inRoot } from './paths.mjs'
import { output } from './run.mjs'

// Servers live in sbin, which is not on every user's PATH.
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/sbin']

/** The full path of a program, or `undefined`. */
export function find(program) {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), ...SYSTEM_FOLDERS]
  return folders.filter(Boolean).map((folder) => path.join(folder, program)).find(isExecutable)
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const numbers = (version) => version.split('.').map(Number)

/** Is `version` at least `least`? Both like `1.95.0`; missing parts count as 0. */
export function atLeast(version, least) {
  const [have, want] = [numbers(version), numbers(least)]
  for (const [index, part] of want.entries()) {
    if ((have[index] ?? 0) !== part) return (have[index] ?? 0) > part
  }
  return true
}

/** What the manifest asks of the compiler: the one place where that version stands. */
export const wantedRust = () => /^rust-version = "([\d.]+)"/m.exec(readFileSync(inRoot('Cargo.toml'), 'utf8'))?.[1] ?? '0'

export const WANTED_NODE = '20.0.0'

/** The compiler's version, or `undefined` where there is none. */
export async function rustVersion() {
  return /^rustc ([\d.]+)/.exec((await output('rustc', ['--version'])) ?? '')?.[1]
}
