// What the figures are held against.

import { median } from './statistics.mjs'

const COMMANDS = ['one by one', '8 at once']

/** The better of several clients, as a whole: not the best of each round. */
const best = (...results) => results.reduce((one, other) => (other.rate > one.rate ? other : one))

/** How much faster, round by round and then the median: what else the machine did hit both of a round alike. */
const faster = (ours, theirs) => median(ours.rates.map((rate, round) => rate / theirs.rates[round]).filter(Number.isFinite))

/** `bound`: what the machine leaves room for in the same run, where it says more than the target. */
const ratio = (what, least, value, bound) => ({ what, target: `at least ${least}×`, value: `${value.toFixed(2)}×`, met: value >= least, bound })

/** No client through JavaScript does better than the engine does without it. */
const withoutJavaScript = (engine, theirs) => `the engine without JavaScript: ${faster(engine, theirs).toFixed(2)}×`

const trips = (what, most, value) => ({ what, target: `at most ${most}`, value: value.toFixed(2), met: value <= most })

/** One line per target, with whether it was met. */
export function judge(races, line) {
  const [serial, parallel] = COMMANDS.map((name) => races[name])
  const bestOfSsh2 = best(parallel.ssh2, parallel['ssh2-two'])
  return [
    ratio('one by one, against @xec-sh/core 0.9.0', 12, faster(serial.ours, serial.core)),
    ratio('one by one, against ssh2', 1.1, faster(serial.ours, serial.ssh2), withoutJavaScript(serial.engine, serial.ssh2)),
    ratio('one by one in a persistent shell, against ssh2', 5, faster(serial['ours-persistent'], serial.ssh2)),
    ratio('8 at once, against the best of ssh2', 1.2, faster(parallel.ours, bestOfSsh2), withoutJavaScript(parallel.engine, bestOfSsh2)),
    ...COMMANDS.map((name) => ratio(`${name}, against the engine alone`, 0.9, faster(races[name].ours, races[name].engine))),
    loopDelay('8 at once', parallel),
    loopDelay('8 handshakes at once', races['8 handshakes at once']),
    trips('round trips, connect and first command', 8, line.ours.first),
    trips('round trips, warm command', 2.2, line.ours.warm),
  ]
}

/** The engine's own process has no loop: the one measured is idle beside it, and what delays that is the machine. */
function loopDelay(name, { ours, ssh2, engine }) {
  const share = ours.loopDelay / ssh2.loopDelay
  const bound = engine && `an idle loop beside the engine: ${(engine.loopDelay / ssh2.loopDelay).toFixed(2)}`
  return { what: `event-loop delay p99, ${name}, of ssh2's`, target: 'at most 0.33', value: share.toFixed(2), met: share <= 1 / 3, bound }
}
