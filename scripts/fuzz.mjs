// npm run fuzz -- [seconds] [target ...]: every fuzz target, or those named, for a minute each. What it finds is kept in
// fuzz/artifacts, and its reason printed.
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { cargoTool } from './support/cargo-tools.mjs'
import { inRoot, root } from './support/paths.mjs'
import { main } from './support/main.mjs'
import { run } from './support/run.mjs'
import { bold, fail, step } from './support/terminal.mjs'

const MINUTE = 60

// cargo-fuzz asks for a nightly compiler, for its instrumentation alone: this lets the stable one do it. No sanitizer: the
// engine has no unsafe code, and the sanitizers' runtimes do not come with a stable compiler.
const STABLE = { RUSTC_BOOTSTRAP: '1' }
const PLAIN = ['--sanitizer', 'none']

function targets() {
  return readdirSync(inRoot('fuzz', 'fuzz_targets')).filter((name) => name.endsWith('.rs')).map((name) => name.slice(0, -3))
}

async function fuzzAll(names, seconds) {
  const program = await cargoTool('cargo-fuzz')
  const failed = []
  for (const name of names) {
    step(`${bold(name)}: ${seconds} s …`)
    const { code } = await run(program, ['fuzz', 'run', ...PLAIN, name, ...corpora(name), '--', ...limits(seconds)], { cwd: root, env: STABLE })
    if (code !== 0) failed.push(name)
  }
  return failed
}

/** What it learns goes into the first folder, which git ignores; the seeds are only read. */
function corpora(name) {
  const [learned, seeds] = [inRoot('fuzz', 'corpus', name), inRoot('fuzz', 'seeds', name)]
  mkdirSync(learned, { recursive: true })
  return [learned, ...existsSync(seeds) ? [seeds] : []]
}

// An input that takes ten seconds is a finding too. CI takes the same walk every time, so that a change is blamed for what it
// broke and not for what chance found; by hand, every run takes another.
const limits = (seconds) => [
  `-max_total_time=${seconds}`,
  ...process.env.CI ? ['-seed=1'] : [],
  '-timeout=10',
  '-rss_limit_mb=1024',
  '-print_final_stats=1',
  '-verbosity=0',
]

await main(async () => {
  const [first, ...others] = process.argv.slice(2)
  const seconds = first === undefined || Number.isNaN(Number(first)) ? MINUTE : Number(first)
  const named = first === undefined || String(seconds) === first ? others : [first, ...others]
  const failed = await fuzzAll(named.length > 0 ? named : targets(), seconds)
  for (const target of failed) fail(`${target}: see fuzz/artifacts/${target}`)
  return failed.length === 0 ? 0 : 1
})
