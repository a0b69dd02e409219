// The race: every round gives every client its turn, each round starting with another one, so that whatever changes on
// the machine meanwhile hits all alike.
import { Contender } from './contender.mjs'
import { median, quantile } from './statistics.mjs'

const COMMAND = 'echo ok'
const WARM_UP = 0.3

/** Each: what is measured, and for whom. */
export const RACES = {
  'one by one': { task: 'commands', details: { atOnce: 1 }, clients: ['ours', 'ours-persistent', 'ssh2', 'core', 'openssh', 'engine'] },
  '8 at once': { task: 'commands', details: { atOnce: 8 }, clients: ['ours', 'ours-persistent', 'ssh2', 'ssh2-two', 'openssh', 'engine', 'core'] },
  '8 handshakes at once': { task: 'handshakes', details: { count: 8 }, clients: ['ours', 'ssh2', 'engine'] },
}

/** Runs one race; resolves with `{ name: { label, rate, rates, cpu, loopDelay, p50, p99, failed, out? } }`. */
export async function race({ task, details, clients }, { target, rounds, seconds, progress }) {
  const contenders = await Promise.all(clients.map((name) => enter(name, target)))
  const samples = new Map(contenders.map(({ contender }) => [contender.name, []]))
  for (let round = 0; round < rounds; round += 1) {
    const order = [...contenders.slice(round % contenders.length), ...contenders.slice(0, round % contenders.length)]
    for (const { contender } of order) await turn(contender, samples.get(contender.name), task, { ...details, command: COMMAND }, round === 0, seconds)
    progress(round + 1)
  }
  for (const { contender } of contenders) await contender.close()
  return Object.fromEntries(contenders.map(({ contender, label }) => [contender.name, { label, ...summary(samples.get(contender.name)), out: contender.outOfRace }]))
}

async function enter(name, target) {
  const contender = new Contender(name)
  const { label } = await contender.ask('open', { target })
  return { contender, label }
}

async function turn(contender, samples, task, details, first, seconds) {
  if (contender.outOfRace !== undefined) return
  try {
    if (first) await contender.ask(task, { ...details, seconds: WARM_UP })
    samples.push(await contender.ask(task, { ...details, seconds }))
  } catch (error) {
    // A client that breaks is part of the result, not the end of the race.
    contender.outOfRace ??= error.message
  }
}

const rateOf = ({ commands, seconds }) => commands / seconds

function summary(samples) {
  const each = (figure) => median(samples.map(figure))
  const latencies = samples.flatMap((sample) => sample.latencies)
  return {
    rate: each(rateOf),
    /** One per round: rounds of different clients with the same number ran side by side. */
    rates: samples.map(rateOf),
    cpu: each(({ cpu, commands }) => cpu / commands),
    loopDelay: each(({ loopDelay }) => loopDelay),
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    failed: samples.reduce((sum, { failed }) => sum + failed, 0),
    reasons: Object.assign({}, ...samples.map(({ reasons }) => reasons)),
  }
}
