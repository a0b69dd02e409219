import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OpenSSHServer } from '../support/openssh'
import { runNode } from '../support/run-script'

const root = join(__dirname, '../..')
const bin = (name: string, path: string): string => join(root, 'node_modules', name, path)

let folder: string
let server: OpenSSHServer

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'xec-install-'))
  server = await OpenSSHServer.start()
})

afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

const run = (program: string, args: string[], cwd: string): string => execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

const npm = (cwd: string, ...args: string[]): string => run('npm', [...args, '--offline', '--no-audit', '--no-fund'], cwd)

/** Packs what lies in `from` and says where the archive is. */
function pack(from: string): string {
  const [packed] = JSON.parse(npm(from, 'pack', '--json', '--pack-destination', folder)) as { filename: string }[]
  return join(folder, packed?.filename ?? 'nothing was packed')
}

/** The platform's package, made as a release makes it. */
function packPlatform(): string {
  const release = join(folder, 'release')
  const packages = join(release, 'npm')
  mkdirSync(packages, { recursive: true })
  cpSync(join(root, 'package.json'), join(release, 'package.json'))
  run(process.execPath, [bin('@napi-rs/cli', 'dist/cli.js'), 'create-npm-dirs'], release)
  const [library] = readdirSync(root).filter((name) => name.endsWith('.node'))
  const platform = library?.split('.').at(-2) ?? 'no library was built'
  cpSync(join(root, library ?? ''), join(packages, platform, library ?? ''))
  return pack(join(packages, platform))
}

function project(name: string, ...packages: string[]): string {
  const app = join(folder, name)
  mkdirSync(app)
  writeFileSync(join(app, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  npm(app, 'install', ...packages)
  return app
}

const IMPORTING = `
import { SSHConnectionPool } from '@xec-sh/native'
const { stdout } = await new SSHConnectionPool().exec(JSON.parse(process.env.XEC_TEST_TARGET), 'echo installed')
process.stdout.write(stdout)
`

const REQUIRING = `
const { SSHConnectionPool } = require('@xec-sh/native')
new SSHConnectionPool().exec(JSON.parse(process.env.XEC_TEST_TARGET), 'echo installed').then(({ stdout }) => process.stdout.write(stdout))
`

const TYPED = `
import { SSHConnectionPool, type CommandResult, type SSHTarget } from '@xec-sh/native'
const target: SSHTarget = { host: 'build-1', username: 'deploy' }
export const result: Promise<CommandResult> = new SSHConnectionPool().exec(target, 'uptime', { timeout: 1_000 })
// @ts-expect-error a wrong name is an error: the types are there
export const wrong = new SSHConnectionPool().exec(target, 'uptime', { timout: 1_000 })
`

async function works(app: string): Promise<void> {
  const env = { XEC_TEST_TARGET: JSON.stringify(server.target()) }
  writeFileSync(join(app, 'importing.mjs'), IMPORTING)
  writeFileSync(join(app, 'requiring.cjs'), REQUIRING)
  expect(await runNode([join(app, 'importing.mjs')], env)).toMatchObject({ code: 0, stdout: 'installed\n', stderr: '' })
  expect(await runNode([join(app, 'requiring.cjs')], env)).toMatchObject({ code: 0, stdout: 'installed\n', stderr: '' })
}

describe('installed into an empty project', () => {
  let app: string
  beforeAll(() => { app = project('packed', pack(root), packPlatform()) }, 60_000)

  it('from the packages a release publishes: imported, required, run', async () => { await works(app) })

  it('the drop-in asks for core, which is an optional peer', async () => {
    writeFileSync(join(app, 'drop-in.mjs'), "import '@xec-sh/native/xec'")
    const { code, stderr } = await runNode([join(app, 'drop-in.mjs')], {})
    expect(code).toBe(1)
    expect(stderr).toContain("Cannot find package '@xec-sh/core'")
  })

  it('holds no source, no test and no other platform', () => {
    const files = readdirSync(join(app, 'node_modules/@xec-sh/native'))
    expect(files.filter((name) => /^(src|lib|crates|__test__|target|scripts|docs)$|\.node$/.test(name))).toEqual([])
  })

  it.each([['NodeNext', 'NodeNext'], ['ESNext', 'Bundler']])('TypeScript takes it strictly, module %s, resolution %s', (module, resolution) => {
    writeFileSync(join(app, 'typed.ts'), TYPED)
    const types = join(root, 'node_modules/@types')
    const args = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2023,esnext.disposable', '--types', 'node', '--typeRoots', types, '--module', module, '--moduleResolution', resolution]
    expect(() => run(process.execPath, [bin('typescript', 'bin/tsc'), ...args, 'typed.ts'], app)).not.toThrow()
  })
})

it('installed from a clone, as the README says', async () => { await works(project('linked', root)) }, 60_000)
