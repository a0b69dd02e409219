// What the figures are held against.

const COMMANDS = ['one by one', '8 at once']

const best = (results, names) => Math.max(...names.map((name) => results[name]?.rate ?? 0))

const ratio = (what, least, value) => ({ what, target: `at least ${least}×`, value: `${value.toFixed(2)}×`, met: value >= least })

const trips = (what, most, value) => ({ what, target: `at most ${most}`, value: value.toFixed(2), met: value <= most })

/** One line per target, with whether it was met. */
export function judge(races, line) {
  const [serial, parallel] = COMMANDS.map((name) => races[name])
  return [
    ratio('one by one, against @xec-sh/core 0.9.0', 12, serial.ours.rate / serial.core.rate),
    ratio('one by one, against ssh2', 1.1, serial.ours.rate / serial.ssh2.rate),
    ratio('8 at once, against the best of ssh2', 1.2, parallel.ours.rate / best(parallel, ['ssh2', 'ssh2-two'])),
    ...COMMANDS.map((name) => ratio(`${name}, against the engine alone`, 0.9, races[name].ours.rate / races[name].engine.rate)),
    loopDelay('8 at once', parallel),
    loopDelay('8 handshakes at once', races['8 handshakes at once']),
    trips('round trips, connect and first command', 8, line.ours.first),
    trips('round trips, warm command', 2.2, line.ours.warm),
  ]
}

function loopDelay(name, { ours, ssh2 }) {
  const share = ours.loopDelay / ssh2.loopDelay
  return { what: `event-loop delay p99, ${name}, of ssh2's`, target: 'at most 0.33', value: share.toFixed(2), met: share <= 1 / 3 }
}
