// CPU time from /proc, in milliseconds: for processes other than our own, which Node does not tell about.
import { readFileSync } from 'node:fs'

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
