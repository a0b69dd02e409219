// Cargo subcommands at pinned versions, in the user's cache: not on anybody's PATH, shared by all clones.
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { must } from './run.mjs'
import { step } from './terminal.mjs'

const VERSIONS = { 'cargo-deny': '0.20.2', 'cargo-fuzz': '0.13.2', 'cargo-machete': '0.9.2' }

// They run for a second and compile for minutes, so they are compiled for a short compilation.
const QUICK = {
  CARGO_PROFILE_RELEASE_OPT_LEVEL: '1',
  CARGO_PROFILE_RELEASE_LTO: 'off',
  CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '256',
  CARGO_PROFILE_RELEASE_DEBUG: '0',
}

const cache = () => path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'xec-native')

/** The full path of a tool, compiled first where that has not happened yet. */
export async function cargoTool(name, ...options) {
  const version = VERSIONS[name]
  const folder = path.join(cache(), `${name}-${version}`)
  const program = path.join(folder, 'bin', name)
  if (existsSync(program)) return program
  step(`compiling ${name} ${version}, once`)
  await must('cargo', ['install', '--locked', '--root', folder, `${name}@${version}`, ...options], { env: QUICK })
  return program
}
