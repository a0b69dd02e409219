// npm run bench [-- --quick]: ours and the others side by side against one private OpenSSH server.
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { RACES, race } from '../bench/measure.mjs'
import { printRace, printRoundTrips, printVerdicts } from '../bench/report.mjs'
import { roundTrips } from '../bench/round-trips.mjs'
import { startSshd } from '../bench/sshd.mjs'
import { judge } from '../bench/targets.mjs'
import { main } from './support/main.mjs'
import { inRoot, root } from './support/paths.mjs'
import { rustVersion } from './support/programs.mjs'
import { must } from './support/run.mjs'
import { setup } from './support/setup.mjs'
import { dim, say, step } from './support/terminal.mjs'

// Many short rounds rather than a few long ones: what drifts, drifts between rounds.
const THOROUGH = { rounds: 15, seconds: 1 }
const QUICK = { rounds: 3, seconds: 0.5 }

const buildEngineBench = () =>
  must('cargo', ['build', '--locked', '--workspace', '--features', 'xec-engine/testing', '--profile', 'fast', '--example', 'bench_exec'], { cwd: root })

await main(async () => {
  const { values } = parseArgs({ options: { quick: { type: 'boolean' } } })
  await setup({ servers: true, extra: { 'engine without JavaScript': buildEngineBench } })
  const sshd = await startSshd()
  try {
    const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.versions.node, rust: await rustVersion(), server: sshd.version }
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

function save(results) {
  const folder = inRoot('bench', 'results')
  mkdirSync(folder, { recursive: true })
  const file = `${results.at.replace(/[:.]/g, '-')}.json`
  writeFileSync(inRoot('bench', 'results', file), `${JSON.stringify(results, undefined, 2)}\n`)
  say(`  bench/results/${file}`)
}
