// npm, as a program: through its own entry point when npm started us, which also works where `npm` is a .cmd file.
import { existsSync, statSync } from 'node:fs'
import { inRoot, root } from './paths.mjs'
import { must, run } from './run.mjs'

const command = process.env.npm_execpath === undefined ? ['npm'] : [process.execPath, process.env.npm_execpath]

const call = (start, args, options) => start(command[0], [...command.slice(1), ...args], { cwd: root, ...options })

/** Runs a script of package.json; throws when it fails. */
export const npmScript = (name, options) => call(must, ['run', '--silent', name], options)

/** Runs a script of package.json and resolves with its outcome. */
export const tryNpmScript = (name) => call(run, ['run', '--silent', name])

/** Runs an installed package's program and resolves with its outcome. */
export const tryNpx = (program, ...args) => call(run, ['exec', '--offline', '--', program, ...args])

/**
 * Installs what the lock file names, unless that is already there. Not `npm ci`: it refuses the lock when the registry
 * at hand lacks the optional packages of some other platform, which nobody needs here. The lock is not changed.
 */
export async function ensureNodeModules() {
  if (!modulesAreCurrent()) await call(must, ['install', '--no-save', '--no-fund', '--no-audit'])
}

// npm writes this file at the end of every install: it is missing or old when an install was interrupted.
function modulesAreCurrent() {
  const installed = inRoot('node_modules', '.package-lock.json')
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(inRoot('package-lock.json')).mtimeMs
}

/** Installs what a folder's own manifest names. */
export const npmInstall = (folder) => call(must, ['install', '--no-package-lock', '--no-fund', '--no-audit'], { cwd: folder, capture: true })
