// npm run bench:files [-- --quick]: file transfers, ours and the others side by side against one private OpenSSH server.
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { RACES, judgeFiles, raceFiles } from '../bench/files/race.mjs'
import { printTransfers, printVerdicts } from '../bench/report.mjs'
import { startSshd } from '../bench/sshd.mjs'
import { main } from './support/main.mjs'
import { setup } from './support/setup.mjs'
import { step, warn } from './support/terminal.mjs'

await main(async () => {
  const { values } = parseArgs({ options: { quick: { type: 'boolean' }, built: { type: 'boolean' } } })
  if (values.built !== true) await setup({ servers: true })
  const [load] = loadavg()
  if (load > cpus().length) warn(`the machine is busy (load ${load.toFixed(1)}): these figures will not be worth much`)
  const sshd = await startSshd()
  try {
    const results = await raceFiles({ target: sshd.target, pid: sshd.pid, rounds: values.quick === true ? 3 : 9, progress: (what) => step(`${RACES[what].title} …`) })
    for (const [what, clients] of Object.entries(results)) printTransfers(RACES[what].title, clients)
    printVerdicts(judgeFiles(results))
  } finally {
    await sshd.stop()
  }
})
