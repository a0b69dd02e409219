// Races against one cluster: the clients take turns with every single operation, so that what else the machine does hits all alike.
import { fileURLToPath } from 'node:url'
import { Contender } from '../contender.mjs'
import { median } from '../statistics.mjs'
import * as runtime from './runtime.mjs'

const WORKER = fileURLToPath(new URL('./worker.mjs', import.meta.url))

/** Opens those of the named clients that are installed; `containerd` is the runtime without any. */
export async function openClients(names, cluster) {
  const clients = []
  for (const name of names) {
    const client = name === 'containerd' ? withoutServer(cluster) : await inProcess(name, cluster)
    if (client !== undefined) clients.push({ name, ...client })
  }
  return clients
}

async function inProcess(name, cluster) {
  const contender = new Contender(name, WORKER)
  const opened = await contender.ask('open', { kubeconfig: cluster.kubeconfig() })
  if (opened !== undefined) return { label: opened.label, ask: (task, details) => contender.ask(task, details), close: () => contender.close() }
  await contender.close()
  return undefined
}

function withoutServer(cluster) {
  return { label: runtime.label, ask: (_task, { pod }) => runtime.execOnce(cluster, pod), close: async () => undefined }
}

/** Resolves with `{ name: { label, rates } }`, a rate per second for each round. */
export async function raceOnce(what, clients, { pod, rounds, seconds }) {
  const rates = clients.map(() => [])
  // The first round only warms up.
  for (let round = 0; round <= rounds; round += 1) {
    const spent = await turns(clients.map(({ ask }) => () => ask('once', { what, pod })), seconds)
    if (round > 0) spent.forEach((each, index) => rates[index].push(1000 / each))
  }
  return Object.fromEntries(clients.map(({ name, label }, index) => [name, { label, rates: rates[index] }]))
}

/** Median milliseconds of each kind of work, all of them together for `seconds` each, each turn beginning with another one. */
async function turns(works, seconds) {
  const spent = works.map(() => [])
  const end = performance.now() + seconds * 1000 * works.length
  for (let turn = 0; turn === 0 || performance.now() < end; turn += 1) {
    for (let index = 0; index < works.length; index += 1) {
      const at = (index + turn) % works.length
      spent[at].push(await works[at]())
    }
  }
  return spent.map(median)
}

/** Resolves with `{ name: { label, seconds, delays } }`, the event loop's p99 delay of each round. */
export async function raceLong(what, clients, { pod, amount, rounds }) {
  const samples = clients.map(() => [])
  for (let round = 0; round <= rounds; round += 1) {
    for (let index = 0; index < clients.length; index += 1) {
      const at = (index + round) % clients.length
      const sample = await clients[at].ask('long', { what, pod, amount })
      if (round > 0) samples[at].push(sample)
    }
  }
  return Object.fromEntries(clients.map(({ name, label }, index) => [name, {
    label, seconds: median(samples[index].map(({ seconds }) => seconds)), delays: samples[index].map(({ loopDelay }) => loopDelay),
  }]))
}
