// What every call of cargo has in common, so that all of them find what the others have compiled.
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { inRoot } from './paths.mjs'

let host

/** This machine, as the compiler calls it: `napi build` builds for it by name, and into a folder of that name. */
export const hostTriple = () => (host ??= /^host: (\S+)$/m.exec(execFileSync('rustc', ['-vV'], { encoding: 'utf8' }))?.[1])

/** The profile of demo, test and check. `--workspace` keeps the features of shared dependencies as they are. */
export const engineBuild = () => ['--locked', '--workspace', '--features', 'xec-engine/testing', '--profile', 'fast', '--target', hostTriple()]

/** Where cargo leaves what it built. */
export const built = (...names) => path.join(process.env.CARGO_TARGET_DIR ?? inRoot('target'), hostTriple(), 'fast', ...names)
