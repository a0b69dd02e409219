// The race of transfers: every round gives every client its turn, each round starting with another one.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { randomBytes } from 'node:crypto'
import { Contender } from '../contender.mjs'
import { cpuOfFamily } from '../cpu.mjs'
import { median } from '../statistics.mjs'

const WORKER = fileURLToPath(new URL('worker.mjs', import.meta.url))

export const MEBIBYTES = 256
export const FILES = 2000

export const RACES = {
  put: { title: `put ${MEBIBYTES} MiB, MiB/s`, amount: MEBIBYTES, clients: ['ours', 'ssh2', 'scp'] },
  get: { title: `get ${MEBIBYTES} MiB, MiB/s`, amount: MEBIBYTES, clients: ['ours', 'ssh2', 'scp'] },
  tree: { title: `put ${FILES} small files, files/s`, amount: FILES, clients: ['ours', 'node-ssh', 'scp'] },
}

/** Runs all races; resolves with `{ put, get, tree }`, each `{ client: { label, rate, rates, cpu, serverCpu, loopDelay, rss } }`. */
export async function raceFiles({ target, pid, rounds, progress }) {
  const folder = new Folder(target.username)
  try {
    const results = {}
    for (const [what, { amount, clients }] of Object.entries(RACES)) {
      progress(what)
      results[what] = await race(what, amount, clients, { target, pid, rounds, folder })
    }
    return results
  } finally {
    folder.remove()
  }
}

async function race(what, amount, clients, { target, pid, rounds, folder }) {
  const contenders = await Promise.all(clients.map(async (name) => {
    const contender = new Contender(name, WORKER)
    const { label } = await contender.ask('open', { target })
    return { contender, label, samples: [] }
  }))
  // The first round only warms up: caches, pools, compilers.
  for (let round = 0; round <= rounds; round += 1) {
    const first = round % contenders.length
    for (const { contender, samples } of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      if (contender.outOfRace !== undefined) continue
      const before = cpuOfFamily(pid)
      const sample = await contender.ask('transfer', { what, ...folder.ends(what) }).catch((error) => { contender.outOfRace ??= error.message })
      if (round > 0 && sample !== undefined) samples.push({ ...sample, serverCpu: cpuOfFamily(pid) - before })
    }
  }
  for (const { contender } of contenders) await contender.close()
  return Object.fromEntries(contenders.map(({ contender, label, samples }) => {
    const each = (figure) => median(samples.map(figure))
    const rates = samples.map(({ seconds }) => amount / seconds)
    return [contender.name, {
      label, rate: median(rates), rates, cpu: each(({ cpu }) => cpu), serverCpu: each(({ serverCpu }) => serverCpu), loopDelay: each(({ loopDelay }) => loopDelay),
      rss: Math.max(...samples.map(({ rss }) => rss)), out: contender.outOfRace,
    }]
  }))
}

/** What is transferred, and where to. */
class Folder {
  #root = mkdtempSync(path.join(tmpdir(), 'xec-bench-files-'))
  #count = 0

  constructor(username) {
    chmodSync(this.#root, 0o755)
    for (const name of ['local', 'remote', 'local/tree']) mkdirSync(path.join(this.#root, name))
    if (process.getuid() === 0) execFileSync('chown', [username, path.join(this.#root, 'remote')])
    for (const side of ['local', 'remote']) {
      execFileSync('sh', ['-c', `head -c ${MEBIBYTES * 1024 * 1024} /dev/urandom > "$0"; chmod 644 "$0"`, path.join(this.#root, side, 'big')])
    }
    for (let index = 0; index < FILES; index += 1) {
      const directory = path.join(this.#root, 'local/tree', `d${index % 20}`)
      mkdirSync(directory, { recursive: true })
      writeFileSync(path.join(directory, `f${index}`), randomBytes(1 + (index * 37) % 8192))
    }
  }

  /** From where to where; a name that is not there yet, except for large files, which would fill the disk. */
  ends(what) {
    const at = (...names) => path.join(this.#root, ...names)
    if (what === 'put') return { from: at('local/big'), to: at('remote/copy') }
    if (what === 'get') return { from: at('remote/big'), to: at('local/copy') }
    return { from: at('local/tree'), to: at('remote', `tree-${this.#count++}`) }
  }

  remove() {
    rmSync(this.#root, { recursive: true, force: true })
  }
}

const faster = (ours, theirs) => median(ours.rates.map((rate, round) => rate / theirs.rates[round]).filter(Number.isFinite))

const ratio = (what, least, value, bound) => ({ what, target: `at least ${least}×`, value: `${value.toFixed(2)}×`, met: value >= least, bound })

/** What it would be if client and server, as much work as they have, never waited for each other nor for a processor. */
function neverWaiting(ours, theirs) {
  const seconds = (ours.cpu + ours.serverCpu) / 1000 / cpus().length
  const share = (MEBIBYTES / theirs.rate) / seconds
  return `if nobody ever waited: ${share.toFixed(2)}×; the server's part of the work: ${ours.serverCpu.toFixed(0)} of ${(ours.cpu + ours.serverCpu).toFixed(0)} ms`
}

/** Beside scp, a process of its own, the loop that is measured is idle: what delays it is the machine. */
function calm(what, { ours, scp, ...others }) {
  const [theirs] = Object.values(others)
  const share = ours.loopDelay / theirs.loopDelay
  const bound = `an idle loop beside scp: ${(scp.loopDelay / theirs.loopDelay).toFixed(2)}`
  return { what: `event-loop delay p99, ${what}, of ${theirs.label.split(',')[0]}'s`, target: 'at most 0.25', value: share.toFixed(2), met: share <= 0.25, bound }
}

/** One line per target. */
export function judgeFiles({ put, get, tree }) {
  return [
    ratio('put, against ssh2', 2.3, faster(put.ours, put.ssh2), neverWaiting(put.ours, put.ssh2)),
    ratio('get, against ssh2', 1.8, faster(get.ours, get.ssh2), neverWaiting(get.ours, get.ssh2)),
    ratio('put, against scp', 1, faster(put.ours, put.scp)),
    ratio('get, against scp', 1, faster(get.ours, get.scp)),
    ratio(`${FILES} files, against node-ssh`, 5, faster(tree.ours, tree['node-ssh'])),
    calm('put', put),
    calm('get', get),
    calm('small files', tree),
  ]
}
