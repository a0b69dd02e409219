// npm run bench:streams [-- --quick]: streams, ours and ssh2's side by side, and commands beside a stream that nobody reads.
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { printTransfers, printVerdicts } from '../bench/report.mjs'
import { startSshd } from '../bench/sshd.mjs'
import { MEBIBYTES, besideUnread, judgeStreams, raceStreams } from '../bench/streams/race.mjs'
import { main } from './support/main.mjs'
import { setup } from './support/setup.mjs'
import { say, step, warn } from './support/terminal.mjs'

await main(async () => {
  const { values } = parseArgs({ options: { quick: { type: 'boolean' }, built: { type: 'boolean' } } })
  if (values.built !== true) await setup({ servers: true })
  const [load] = loadavg()
  if (load > cpus().length) warn(`the machine is busy (load ${load.toFixed(1)}): these figures will not be worth much`)
  const rounds = values.quick === true ? 3 : 9
  const sshd = await startSshd()
  try {
    const { target } = sshd
    const races = await raceStreams({ target, rounds, progress: (what) => step(`${what} …`) })
    for (const [what, clients] of Object.entries(races)) printTransfers(`${what} of ${MEBIBYTES} MiB, MiB/s`, clients)
    step('commands beside an unread stream …')
    const beside = await besideUnread({ target, rounds })
    say(`  memory grew by ${(beside.grown / 1e6).toFixed(1)} MB meanwhile`)
    printVerdicts(judgeStreams(races, beside))
  } finally {
    await sshd.stop()
  }
})
