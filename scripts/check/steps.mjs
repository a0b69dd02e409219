// The steps of `npm run check`, cheap ones first. Each throws when it finds something.
import { existsSync } from 'node:fs'
import { engineBuild } from '../support/cargo.mjs'
import { cargoTool } from '../support/cargo-tools.mjs'
import { npmScript } from '../support/npm.mjs'
import { inRoot, root } from '../support/paths.mjs'
import { must, run } from '../support/run.mjs'
import { bold, warn, yellow } from '../support/terminal.mjs'
import { brokenLinks } from './links.mjs'
import { offences } from './tree.mjs'

const cargo = (...args) => must('cargo', args, { cwd: root })

const GENERATED = ['binding.cjs', 'binding.d.cts']

async function tracked(...patterns) {
  const { stdout } = await must('git', ['ls-files', '-z', '--', ...patterns], { cwd: root, capture: true })
  return stdout.split('\0').filter((file) => file !== '' && existsSync(inRoot(file)))
}

function none(findings) {
  if (findings.length > 0) throw new Error(findings.join('\n'))
}

async function generatedFiles() {
  await must('git', ['ls-files', '--error-unmatch', ...GENERATED], { cwd: root, capture: true })
  await must('git', ['diff', '--exit-code', '--', ...GENERATED], { cwd: root })
}

const deny = async (...args) => run(await cargoTool('cargo-deny', '--no-default-features'), args, { cwd: root })

async function licensesAndBans() {
  const { code } = await deny('--workspace', '--all-features', '--locked', 'check', '--hide-inclusion-graph', 'bans', 'licenses', 'sources')
  if (code !== 0) throw new Error('cargo-deny found something')
}

/** The advisories live in a repository that is not reachable from everywhere: not checking them is said, not hidden. */
async function advisories() {
  const fetched = await run(await cargoTool('cargo-deny', '--no-default-features'), ['fetch', 'db'], { cwd: root, capture: true })
  if (fetched.code !== 0) {
    warn(`${bold(yellow('security advisories were NOT checked'))}: their database cannot be reached from here`)
    return 'not checked'
  }
  const { code } = await deny('--workspace', '--all-features', '--locked', 'check', '--disable-fetch', 'advisories')
  if (code !== 0) throw new Error('cargo-deny found an advisory')
}

async function unusedDependencies() {
  await must(await cargoTool('cargo-machete'), ['--skip-target-dir'], { cwd: root })
}

/** name → work; work may resolve with a note to be shown. */
export const STEPS = {
  'committed files': async () => none(offences(await tracked())),
  'links in documents': async () => none(brokenLinks(await tracked('*.md'))),
  'generated files': generatedFiles,
  'cargo fmt': () => cargo('fmt', '--all', '--check'),
  'TypeScript': () => npmScript('typecheck'),
  'eslint': () => npmScript('lint'),
  'clippy': () => cargo('clippy', ...engineBuild(), '--all-targets', '--', '-D', 'warnings'),
  // Private items too: the engine's readers are its developers.
  'cargo doc': () => must('cargo', ['doc', ...engineBuild(), '--no-deps', '--document-private-items'], { cwd: root, env: { RUSTDOCFLAGS: '-D warnings -A rustdoc::private_intra_doc_links' } }),
  'unused dependencies': unusedDependencies,
  'licenses, bans, sources': licensesAndBans,
  'advisories': advisories,
}
