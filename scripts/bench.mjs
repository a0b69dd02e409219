// npm run bench [-- --quick]: ours and the others side by side against one private OpenSSH server.
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { markdown } from '../bench/markdown.mjs'
import { RACES, race } from '../bench/measure.mjs'
import { printRace, printRoundTrips, printVerdicts } from '../bench/report.mjs'
import { roundTrips } from '../bench/round-trips.mjs'
import { startSshd } from '../bench/sshd.mjs'
import { judge } from '../bench/targets.mjs'
import { engineBuild } from './support/cargo.mjs'
import { main } from './support/main.mjs'
import { inRoot, root } from './support/paths.mjs'
import { rustVersion } from './support/programs.mjs'
import { must } from './support/run.mjs'
import { setup } from './support/setup.mjs'
import { dim, say, step, warn } from './support/terminal.mjs'

// Many short rounds rather than a few long ones: what drifts, drifts between rounds.
const THOROUGH = { rounds: 15, seconds: 1 }
const QUICK = { rounds: 3, seconds: 0.5 }

const buildEngineBench = () =>
  must('cargo', ['build', ...engineBuild(), '--example', 'bench_exec'], { cwd: root })

await main(async () => {
  const { values } = parseArgs({ options: { quick: { type: 'boolean' } } })
  await setup({ servers: true, extra: { 'engine without JavaScript': buildEngineBench } })
  const sshd = await startSshd()
  try {
    const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.versions.node, rust: await rustVersion(), server: sshd.version, load: otherLoad() }
    const races = await runRaces(sshd.target, values.quick === true ? QUICK : THOROUGH)
    step('round trips …')
    const line = await roundTrips(sshd.target)
    const verdicts = judge(races, line)
    print({ machine, races, line, verdicts })
    save({ at: new Date().toISOString(), machine, races, line, verdicts })
  } finally {
    await sshd.stop()
  }
})

/** Processes that wanted to run during the last minute, our own set-up included; figures from a busy machine mislead. */
function otherLoad() {
  const [load] = loadavg()
  if (load > cpus().length) warn(`the machine is busy (load ${load.toFixed(1)}): these figures will not be worth much`)
  return load
}

async function runRaces(target, effort) {
  const results = {}
  for (const [name, rules] of Object.entries(RACES)) {
    step(`${name} …`)
    results[name] = await race(rules, { target, ...effort, progress: (round) => say(dim(`  round ${round} of ${effort.rounds}`)) })
  }
  return results
}

function print({ machine, races, line, verdicts }) {
  say()
  say(`  ${dim(`${machine.cores} × ${machine.cpu} · Node ${machine.node} · Rust ${machine.rust} · ${machine.server}`)}`)
  for (const [name, results] of Object.entries(races)) printRace(name, results)
  printRoundTrips(line)
  printVerdicts(verdicts)
}

/** The figures for programs, and as a table for README.md. */
function save(results) {
  mkdirSync(inRoot('bench', 'results'), { recursive: true })
  const name = path.join('bench', 'results', results.at.replace(/[:.]/g, '-'))
  writeFileSync(inRoot(`${name}.json`), `${JSON.stringify(results, undefined, 2)}\n`)
  writeFileSync(inRoot(`${name}.md`), markdown(results))
  say(`  ${name}.json, ${name}.md`)
}
