// npm run bench:kube [-- --quick]: pods over one private cluster, ours and the others side by side.
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { openClients, raceLong, raceOnce } from '../bench/kube/race.mjs'
import { printVerdicts } from '../bench/report.mjs'
import { median } from '../bench/statistics.mjs'
import { Cluster } from './support/kube/cluster.mjs'
import { main } from './support/main.mjs'
import { setup } from './support/setup.mjs'
import { bold, dim, say, step, warn } from './support/terminal.mjs'

const MEBIBYTES = 256
const LINES = 1_000_000
/** One with few lines of logs to look at, one with many to follow. */
const [QUIET, TALKER] = ['quiet', 'talker']
const saying = (lines) => ['sh', '-c', `yes "a line of the length that lines of logs often have, more or less" | head -n ${lines}; exec sleep 36000`]

await main(async () => {
  const { values } = parseArgs({ options: { quick: { type: 'boolean' }, built: { type: 'boolean' } } })
  if (values.built !== true) await setup({ servers: true })
  const [load] = loadavg()
  if (load > cpus().length) warn(`the machine is busy (load ${load.toFixed(1)}): these figures will not be worth much`)
  const [rounds, seconds] = values.quick === true ? [3, 0.5] : [9, 1]
  const cluster = await Cluster.start()
  try {
    await cluster.pod({ name: QUIET, command: saying(100) })
    printVerdicts(await races(cluster, { rounds, seconds }))
  } finally {
    await cluster.stop()
  }
})

async function races(cluster, { rounds, seconds }) {
  const clients = await openClients(['ours', 'persistent', 'kubectl', 'clientNode', 'containerd'], cluster)
  const among = (...names) => clients.filter(({ name }) => names.includes(name))
  try {
    const verdicts = []
    for (const streaming of ['v5', 'v4']) {
      cluster.api.streaming = streaming
      const exec = await raced(`exec over ${streaming}`, 'exec', clients, { rounds, seconds })
      verdicts.push(...judgeExec(streaming, exec))
    }
    cluster.api.streaming = 'v5'
    for (const what of ['logs', 'list']) {
      const race = await raced(what, what, among('ours', 'kubectl', 'clientNode'), { rounds, seconds })
      verdicts.push(atLeast(`${what}, against kubectl`, 10, faster(race.ours, race.kubectl)))
    }
    for (const [what, title, pod, amount] of [['stream', `stdout of ${MEBIBYTES} MiB`, QUIET, MEBIBYTES * 1024 * 1024], ['follow', `following ${LINES} lines of logs`, TALKER, LINES]]) {
      step(`${title} …`)
      // Not before: it keeps the machine busy until it has said everything.
      if (pod === TALKER) await cluster.pod({ name: TALKER, command: saying(LINES) })
      const race = await raceLong(what, among('ours', 'clientNode'), { pod, amount, rounds })
      printLong(title, race)
      if (race.clientNode !== undefined) verdicts.push(judgeDelay(title, race))
    }
    return verdicts
  } finally {
    for (const { close } of clients) await close()
  }
}

async function raced(title, what, clients, { rounds, seconds }) {
  step(`${title} …`)
  const race = await raceOnce(what, clients, { pod: QUIET, rounds, seconds })
  say()
  say(`  ${bold(`${title}, one by one`.padEnd(34))}${dim('per second'.padStart(12))}${dim('ms'.padStart(10))}`)
  for (const { label, rates } of Object.values(race)) {
    const rate = median(rates)
    say(`  ${label.padEnd(34)}${rate.toFixed(1).padStart(12)}${(1000 / rate).toFixed(2).padStart(10)}`)
  }
  return race
}

function printLong(title, race) {
  say()
  say(`  ${bold(title.padEnd(34))}${dim('seconds'.padStart(12))}${dim('loop p99 ms'.padStart(14))}`)
  for (const { label, seconds, delays } of Object.values(race)) say(`  ${label.padEnd(34)}${seconds.toFixed(2).padStart(12)}${median(delays).toFixed(2).padStart(14)}`)
}

/** How much faster, round by round and then the median. */
function faster(one, other) {
  return median(one.rates.map((rate, round) => rate / other.rates[round]))
}

function atLeast(what, least, value) {
  return { what, target: `at least ${least}×`, value: `${value.toFixed(2)}×`, met: value >= least }
}

function judgeExec(streaming, { ours, persistent, kubectl, clientNode }) {
  return [
    atLeast(`exec over ${streaming}, against kubectl`, 2.5, faster(ours, kubectl)),
    ...(clientNode === undefined ? [] : [atLeast(`exec over ${streaming}, against client-node`, 1, faster(ours, clientNode))]),
    atLeast(`exec in a persistent shell over ${streaming}, against kubectl`, 30, faster(persistent, kubectl)),
  ]
}

function judgeDelay(title, { ours, clientNode }) {
  const share = median(ours.delays) / median(clientNode.delays)
  return { what: `event-loop delay p99, ${title}, against client-node`, target: 'at most 0.25×', value: `${share.toFixed(2)}×`, met: share <= 0.25 }
}
