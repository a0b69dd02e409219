// Figures of this process and of the server, and whether they grew.
import { readFileSync, readdirSync } from 'node:fs'

const ROOMS = { rssMiB: 1.1, heapMiB: 1.3, fds: 1.3, threads: 1.05, serverConnections: 1.3 }

/** One look. */
export function sample(sshdPid, pool) {
  return { ...own(), serverConnections: children(sshdPid), poolConnections: pool.getStats().totalConnections }
}

/** This process alone. */
export function own() {
  globalThis.gc?.()
  return {
    rssMiB: Math.round(process.memoryUsage().rss / 1024 / 1024),
    heapMiB: Math.round(process.memoryUsage().heapUsed / 1024 / 1024),
    fds: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
  }
}

function children(pid) {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter((child) => child !== '').length
}

/** The second quarter of the samples against the last one: the first is the warming up. `rooms`: how much noise there is. */
export function verdicts(samples, rooms = ROOMS) {
  const quarter = Math.max(1, Math.floor(samples.length / 4))
  const mean = (list, key) => list.reduce((sum, entry) => sum + entry[key], 0) / list.length
  const [early, late] = [samples.slice(quarter, 2 * quarter), samples.slice(-quarter)]
  return Object.entries(rooms).map(([what, room]) => {
    const [before, after] = [mean(early, what), mean(late, what)]
    return { what, early: before.toFixed(1), late: after.toFixed(1), ok: after <= before * room + 1 }
  })
}
