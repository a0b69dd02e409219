// The race of streams, every round giving every client its turn; and what a stream that nobody reads does to its neighbours.
import { fileURLToPath } from 'node:url'
import { SSHConnectionPool } from '../../index.mjs'
import { Contender } from '../contender.mjs'
import { median, quantile } from '../statistics.mjs'
import { unread } from './ours.mjs'

// One worker for whatever is transferred; it finds its clients beside itself.
const WORKER = fileURLToPath(new URL('../files/worker.mjs', import.meta.url))
const CLIENTS = { ours: '../streams/ours', ssh2: '../streams/ssh2' }

export const MEBIBYTES = 256
export const COMMANDS = 1000
const AT_ONCE = 4

/** Resolves with `{ stdout, stdin }`, each `{ client: { label, rate, rates, cpu, loopDelay, rss } }`. */
export async function raceStreams({ target, rounds, progress }) {
  const results = {}
  for (const what of ['stdout', 'stdin']) {
    progress(`${what} of ${MEBIBYTES} MiB`)
    results[what] = await race(what, { target, rounds })
  }
  return results
}

async function race(what, { target, rounds }) {
  const contenders = await Promise.all(Object.entries(CLIENTS).map(async ([name, file]) => {
    const contender = new Contender(file, WORKER)
    const { label } = await contender.ask('open', { target })
    return { name, contender, label, samples: [] }
  }))
  // The first round only warms up.
  for (let round = 0; round <= rounds; round += 1) {
    const order = round % 2 === 0 ? contenders : [...contenders].reverse()
    for (const { contender, samples } of order) {
      const sample = await contender.ask('transfer', { what, from: MEBIBYTES * 1024 * 1024 })
      if (round > 0) samples.push(sample)
    }
  }
  for (const { contender } of contenders) await contender.close()
  return Object.fromEntries(contenders.map(({ name, label, samples }) => {
    const rates = samples.map(({ seconds }) => MEBIBYTES / seconds)
    const each = (figure) => median(samples.map(figure))
    return [name, {
      label, rates, rate: median(rates), cpu: each(({ cpu }) => cpu), loopDelay: each(({ loopDelay }) => loopDelay),
      rss: Math.max(...samples.map(({ rss }) => rss)),
    }]
  }))
}

/**
 * p99 of commands beside an unread `yes` on the same host and without one, in turns: each pair of turns meets the same
 * machine. Resolves with `{ pairs: [{ alone, beside }], grown }`, milliseconds and bytes of memory.
 */
export async function besideUnread({ target, rounds }) {
  const pool = new SSHConnectionPool()
  try {
    return await takeTurns(pool, target, rounds)
  } finally {
    await pool.dispose()
  }
}

async function takeTurns(pool, target, rounds) {
  // The first ones only warm up.
  await p99(pool, target)
  const pairs = []
  const before = process.memoryUsage.rss()
  let grown = 0
  for (let round = 0; round < rounds; round += 1) {
    const pair = {}
    for (const which of round % 2 === 0 ? ['alone', 'beside'] : ['beside', 'alone']) {
      const letGo = which === 'beside' ? await unread(pool, target) : async () => undefined
      pair[which] = await p99(pool, target)
      grown = Math.max(grown, process.memoryUsage.rss() - before)
      await letGo()
    }
    pairs.push(pair)
  }
  return { pairs, grown }
}

async function p99(pool, target) {
  const latencies = []
  const worker = async () => {
    while (latencies.length < COMMANDS) {
      const begun = performance.now()
      await pool.exec(target, 'true')
      latencies.push(performance.now() - begun)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return quantile(latencies, 0.99)
}

/** One line per target. */
export function judgeStreams({ stdout, stdin }, { pairs }) {
  const faster = ({ ours, ssh2 }) => median(ours.rates.map((rate, round) => rate / ssh2.rates[round]))
  const line = (what, target, value, met) => ({ what, target, value: `${value.toFixed(2)}×`, met })
  const changed = median(pairs.map(({ alone, beside }) => beside / alone))
  return [
    ...Object.entries({ stdout, stdin }).map(([what, race]) => line(`${what}, against ssh2`, 'at least 1.05×', faster(race), faster(race) >= 1.05)),
    line(`p99 of ${COMMANDS} commands beside an unread stream`, 'less than 1.5×', changed, changed < 1.5),
  ]
}
