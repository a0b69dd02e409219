// npm run bench:docker [-- --quick] [-- exec streams …]: execs, calls and streams, ours and the others side by side against one private
// dockerd; all of them, or those named.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { cli, dockerode, ours } from '../bench/docker/clients.mjs'
import { STREAMS, raceStreams } from '../bench/docker/streams.mjs'
import { printTransfers, printVerdicts } from '../bench/report.mjs'
import { median } from '../bench/statistics.mjs'
import { Dockerd } from './support/dockerd.mjs'
import { main } from './support/main.mjs'
import { inRoot } from './support/paths.mjs'
import { setup } from './support/setup.mjs'
import { bold, dim, say, step, warn } from './support/terminal.mjs'

const CLIENTS = { ours: (daemon) => ours(daemon), persistent: (daemon) => ours(daemon, 'persistent'), cli, dockerode }
const RACES = { exec: ['ours', 'persistent', 'cli', 'dockerode'], inspect: ['ours', 'cli', 'dockerode'], list: ['ours', 'cli', 'dockerode'] }

// Each takes seconds.
const STREAM_ROUNDS = 5

await main(async () => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { quick: { type: 'boolean' }, built: { type: 'boolean' } } })
  if (values.built !== true) await setup({ servers: true })
  const [load] = loadavg()
  if (load > cpus().length) warn(`the machine is busy (load ${load.toFixed(1)}): these figures will not be worth much`)
  const wanted = (what) => positionals.length === 0 || positionals.includes(what)
  const [rounds, seconds] = values.quick === true ? [3, 0.5] : [9, 1]
  const daemon = await Dockerd.start()
  try {
    const container = await daemon.container()
    const results = {}
    for (const [what, names] of Object.entries(RACES).filter(([name]) => wanted(name))) {
      step(`${what} …`)
      results[what] = await race(what, names, { daemon, container, rounds, seconds })
      print(what, results[what])
    }
    if (wanted('share')) say(`\n  our share of an exec, against a daemon that answers at once: ${(await ownShare(rounds * 200)).toFixed(0)} µs`)
    const streams = wanted('streams') ? await raceStreams({ daemon, rounds: Math.min(rounds, STREAM_ROUNDS), progress: (what) => step(`${what} …`) }) : {}
    for (const [what, clients] of Object.entries(streams)) printTransfers(STREAMS[what].title, clients)
    printVerdicts([...judge(results), ...judgeStreams(streams)])
  } finally {
    await daemon.stop()
  }
})

/**
 * The clients take turns with every single operation, each turn beginning with another one: what else the machine does hits all
 * alike. The first round only warms up.
 */
async function race(what, names, { daemon, container, rounds, seconds }) {
  const contenders = []
  for (const name of names) {
    contenders.push({ name, client: await CLIENTS[name](daemon), rates: [] })
  }
  for (let round = 0; round <= rounds; round += 1) {
    const spent = await turns(contenders.map(({ client }) => () => client[what](container)), seconds)
    contenders.forEach(({ rates }, index) => { if (round > 0) rates.push(1000 / spent[index]) })
  }
  for (const { client } of contenders) await client.close()
  return Object.fromEntries(contenders.map(({ name, rates }) => [name, rates]))
}

/** Mean milliseconds of each kind of work, all of them together for `seconds` each. */
async function turns(works, seconds) {
  const spent = works.map(() => 0)
  let turn = 0
  do {
    for (let index = 0; index < works.length; index += 1) {
      const at = (index + turn) % works.length
      const begun = performance.now()
      await works[at]()
      spent[at] += performance.now() - begun
    }
    turn += 1
  } while (spent.reduce((sum, one) => sum + one, 0) < seconds * 1000 * works.length)
  return spent.map((total) => total / turn)
}

/** Microseconds of one exec in which the daemon does nothing. */
async function ownShare(count) {
  const folder = mkdtempSync(path.join(tmpdir(), 'xec-bench-docker-'))
  const socketPath = path.join(folder, 'd.sock')
  const instant = fork(inRoot('bench', 'docker', 'instant-daemon.mjs'), [socketPath])
  await once(instant, 'message')
  try {
    const client = await ours({ socketPath })
    const times = []
    for (let index = 0; index < count; index += 1) {
      const begun = performance.now()
      if (await client.exec('web') !== 'hello\n') throw new Error('the daemon that answers at once was not understood')
      times.push((performance.now() - begun) * 1000)
    }
    await client.close()
    return median(times)
  } finally {
    instant.disconnect()
    rmSync(folder, { recursive: true, force: true })
  }
}

function print(what, results) {
  say()
  say(`  ${bold(`${what}, one by one`.padEnd(30))}${dim('per second'.padStart(12))}${dim('ms'.padStart(10))}`)
  for (const [name, rates] of Object.entries(results)) {
    const rate = median(rates)
    say(`  ${name.padEnd(30)}${rate.toFixed(1).padStart(12)}${(1000 / rate).toFixed(2).padStart(10)}`)
  }
}

/** How much faster, round by round and then the median. */
function faster(one, other) {
  return median(one.map((rate, round) => rate / other[round]))
}

function ratio(what, least, value) {
  return { what, target: `at least ${least}×`, value: `${value.toFixed(2)}×`, met: value >= least }
}

function judge({ exec, inspect, list }) {
  return [
    ...(exec === undefined ? [] : [
      ratio('exec, against the docker CLI', 1.6, faster(exec.ours, exec.cli)),
      ratio('exec, against dockerode', 1, faster(exec.ours, exec.dockerode)),
      ratio('exec in a persistent shell, against the docker CLI', 25, faster(exec.persistent, exec.cli)),
    ]),
    ...(inspect === undefined ? [] : [ratio('inspect, against the docker CLI', 15, faster(inspect.ours, inspect.cli))]),
    ...(list === undefined ? [] : [ratio('list, against the docker CLI', 15, faster(list.ours, list.cli))]),
  ]
}

/** Held-up event loops, round by round and then the median. */
function judgeStreams(streams) {
  return Object.entries(streams).map(([what, { ours, dockerode }]) => {
    const share = median(ours.loopDelays.map((delay, round) => delay / dockerode.loopDelays[round]))
    return { what: `event loop's delay (${what}), against dockerode`, target: 'at most 0.25×', value: `${share.toFixed(2)}×`, met: share <= 0.25 }
  })
}
