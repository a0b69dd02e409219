// npm run bench:files [-- --quick]: file transfers, ours and the others side by side against one private OpenSSH server.
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { RACES, judgeFiles, raceFiles } from '../bench/files/race.mjs'
import { printVerdicts } from '../bench/report.mjs'
import { startSshd } from '../bench/sshd.mjs'
import { main } from './support/main.mjs'
import { setup } from './support/setup.mjs'
import { bold, dim, say, step, warn, yellow } from './support/terminal.mjs'

await main(async () => {
  const { values } = parseArgs({ options: { quick: { type: 'boolean' }, built: { type: 'boolean' } } })
  if (values.built !== true) await setup({ servers: true })
  const [load] = loadavg()
  if (load > cpus().length) warn(`the machine is busy (load ${load.toFixed(1)}): these figures will not be worth much`)
  const sshd = await startSshd()
  try {
    const results = await raceFiles({ target: sshd.target, rounds: values.quick === true ? 3 : 9, progress: (what) => step(`${RACES[what].title} …`) })
    for (const [what, clients] of Object.entries(results)) print(RACES[what].title, clients)
    printVerdicts(judgeFiles(results))
  } finally {
    await sshd.stop()
  }
})

function print(title, clients) {
  say()
  say(`  ${bold(title.padEnd(36))}${dim(['rate', 'CPU ms', 'loop p99 ms', 'RSS MB'].map((name) => name.padStart(13)).join(''))}`)
  for (const { label, rate, cpu, loopDelay, rss, out } of Object.values(clients)) {
    const cells = [rate.toFixed(0), cpu.toFixed(0), loopDelay.toFixed(2), (rss / 1e6).toFixed(0)]
    say(`  ${label.padEnd(36)}${cells.map((cell) => cell.padStart(13)).join('')}`)
    if (out !== undefined) say(`    ${yellow(`out: ${out}`)}`)
  }
}
