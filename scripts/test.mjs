// npm test: sets everything up, servers included, runs every test runner to its end, and says how each came out.
import { mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { engineBuild } from './support/cargo.mjs'
import { inRoot, root } from './support/paths.mjs'
import { main } from './support/main.mjs'
import { tryNpx } from './support/npm.mjs'
import { setup } from './support/setup.mjs'
import { tee } from './support/tee.mjs'
import { bold, elapsed, green, red, say, step } from './support/terminal.mjs'

const VITEST_REPORT = inRoot('.cache', 'vitest.json')

await main(async () => {
  await setup({ servers: true })
  const runs = [await timed('scripts', scriptTests), await timed('cargo test', cargoTest), await timed('vitest', vitest)]
  summarize(runs)
  return runs.every((run) => run.ok) ? 0 : 1
})

async function timed(name, work) {
  step(`${bold(name)} …`)
  const start = performance.now()
  const outcome = await work()
  return { name, ...outcome, time: performance.now() - start }
}

/** The scripts' and the bench's own tests: they must run without any package, so they use what Node.js brings. */
async function scriptTests() {
  const { code, stdout } = await tee(process.execPath, ['--test', '--test-reporter=spec', ...testFiles('scripts'), ...testFiles('bench')], { cwd: root })
  const count = (what) => Number(new RegExp(`^ℹ ${what} (\\d+)`, 'm').exec(stdout)?.[1] ?? 0)
  return { ok: code === 0, passed: count('pass'), failed: count('fail'), skipped: count('skipped') + count('todo') }
}

// By name: Node.js would take this very file, and others called test-something, for tests.
function testFiles(folder) {
  const names = readdirSync(inRoot(folder), { recursive: true }).filter((name) => name.endsWith('.test.mjs'))
  return names.map((name) => inRoot(folder, name))
}

async function cargoTest() {
  const args = ['test', ...engineBuild(), '--no-fail-fast']
  const { code, stdout } = await tee('cargo', args, { cwd: root })
  return { ok: code === 0, ...countCargo(stdout) }
}

/** One closing line per test binary. */
function countCargo(output) {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  for (const [, passed, failed, ignored] of output.matchAll(/^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored/gm)) {
    counts.passed += Number(passed)
    counts.failed += Number(failed)
    counts.skipped += Number(ignored)
  }
  return counts
}

async function vitest() {
  mkdirSync(inRoot('.cache'), { recursive: true })
  // An old report must not pass for this run's.
  rmSync(VITEST_REPORT, { force: true })
  const { code } = await tryNpx('vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${VITEST_REPORT}`)
  return { ok: code === 0, ...countVitest() }
}

function countVitest() {
  try {
    const report = JSON.parse(readFileSync(VITEST_REPORT, 'utf8'))
    return { passed: report.numPassedTests, failed: report.numFailedTests, skipped: report.numPendingTests + report.numTodoTests }
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
    return { passed: 0, failed: 0, skipped: 0, note: 'ended without a report' }
  }
}

function summarize(runs) {
  say()
  for (const run of runs) {
    const counts = `${run.passed} passed, ${run.failed} failed, ${run.skipped} skipped`
    say(`${run.ok ? green('✔') : red('✘')} ${run.name.padEnd(12)}${counts} (${elapsed(run.time)})${run.note === undefined ? '' : ` ${run.note}`}`)
  }
  const total = (key) => runs.reduce((sum, run) => sum + run[key], 0)
  say(`total: ${total('passed')} passed, ${total('failed')} failed, ${total('skipped')} skipped`)
}
