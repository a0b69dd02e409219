import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import ts from 'typescript'

const root = join(__dirname, '../..')
const fixtures = join(__dirname, '../fixtures/types')

/** A project of a user, outside the repository, that has the package installed. */
let project: string

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'xec-types-'))
  mkdirSync(join(project, 'node_modules/@xec-sh'), { recursive: true })
  symlinkSync(root, join(project, 'node_modules/@xec-sh/native'))
  for (const name of ['@xec-sh/core', '@types']) symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name))
  for (const name of readdirSync(fixtures)) copyFileSync(join(fixtures, name), join(project, name))
  copyFileSync(join(fixtures, 'usage.ts'), join(project, 'usage-esm.mts'))
  writeFileSync(join(project, 'package.json'), '{"type":"commonjs"}')
})

afterAll(() => { rmSync(project, { recursive: true, force: true }) })

function complaints(files: string[], options: ts.CompilerOptions): string[] {
  const program = ts.createProgram(files.map((name) => join(project, name)), {
    strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, lib: ['lib.es2022.d.ts', 'lib.esnext.disposable.d.ts'],
    types: ['node'], exactOptionalPropertyTypes: true, skipLibCheck: true, ...options,
  })
  return ts.getPreEmitDiagnostics(program).map((found) => ts.flattenDiagnosticMessageText(found.messageText, '\n'))
}

const nodeNext = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext }
const bundler = { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler }

describe('types as a strict user sees them', () => {
  it.each([
    ['NodeNext, CommonJS', ['usage.ts'], nodeNext],
    ['NodeNext, ES modules', ['usage-esm.mts'], nodeNext],
    ['bundler', ['usage.ts', 'usage-esm.mts'], bundler],
    ['the drop-in, NodeNext', ['drop-in.mts'], nodeNext],
    ['the drop-in, bundler', ['drop-in.mts'], bundler],
  ])('%s', (_name, files, options) => {
    expect(complaints(files, options)).toEqual([])
  })

  it('the package\'s own declarations pass without skipLibCheck', () => {
    expect(complaints(['usage.ts'], { ...nodeNext, skipLibCheck: false })).toEqual([])
  })
})

/** All declaration files of the package, as they are published. */
function declarations(): string[] {
  const built = readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' }).map((name) => join('dist', name))
  const entries = ['index.d.ts', 'index.d.mts', 'xec.d.ts', 'xec.d.mts', 'binding.d.cts']
  return [...built.filter((name) => name.endsWith('.d.ts')), ...entries]
}

describe('published declarations', () => {
  it('know no any', () => {
    const offenders: string[] = []
    for (const name of declarations()) {
      const source = ts.createSourceFile(name, readFileSync(join(root, name), 'utf8'), ts.ScriptTarget.ES2022, true)
      const visit = (node: ts.Node): void => {
        if (node.kind === ts.SyntaxKind.AnyKeyword) offenders.push(`${name}: ${node.parent.getText()}`)
        node.forEachChild(visit)
      }
      visit(source)
    }
    expect(offenders).toEqual([])
    expect(declarations().length).toBeGreaterThan(20)
  })
})
