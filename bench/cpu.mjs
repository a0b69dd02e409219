// CPU time from /proc, in milliseconds: for processes other than our own, which Node does not tell about.
import { readFileSync, readdirSync } from 'node:fs'

// Linux counts in hundredths of a second there, on every architecture that Node runs on.
const TICK = 10

// The second field is the program's name in parentheses, and may hold anything; numbers start behind it.
const fields = (pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop().split(' ').map(Number)

/** User and system time of a running process. */
export function cpuOf(pid) {
  const stat = fields(pid)
  return (stat[11] + stat[12]) * TICK
}

/** User and system time of all children that have ended. */
export function cpuOfEndedChildren() {
  const stat = fields('self')
  return (stat[13] + stat[14]) * TICK
}

/** User and system time of a process and of all that come from it, ended ones too once they have been waited for. */
export function cpuOfFamily(pid) {
  const stats = new Map(readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      return [[Number(name), fields(name)]]
    } catch {
      // It has ended meanwhile; its parent has its time.
      return []
    }
  }))
  const isOurs = (id) => id === pid || (stats.has(id) && id > 1 && isOurs(stats.get(id)[1]))
  const total = ([, stat]) => (stat[11] + stat[12] + stat[13] + stat[14]) * TICK
  return [...stats].filter(([id]) => isOurs(id)).reduce((sum, entry) => sum + total(entry), 0)
}
