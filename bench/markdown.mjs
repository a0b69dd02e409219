// The figures as the table that stands in README.md.

const HEAD = ['client', 'one by one, per second', '8 at once, per second', 'CPU ms per command', 'event-loop delay p99 ms, 8 handshakes', 'round trips: first / warm']

const number = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits) : '–')

export function markdown({ at, machine, races, line }) {
  const [serial, parallel, handshakes] = Object.values(races)
  const names = Object.keys(parallel).filter((name) => name !== 'ssh2-two')
  const rows = names.map((name) => [
    serial[name].label,
    number(serial[name].rate, 0),
    eight(parallel[name]),
    number(serial[name].cpu, 2),
    number(handshakes[name]?.loopDelay, 1),
    line[name] === undefined ? '–' : `${line[name].first.toFixed(1)} / ${line[name].warm.toFixed(1)}`,
  ])
  const text = [HEAD, HEAD.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
  return `${text}\n\n${machine.cores} cores (${machine.cpu}), Node ${machine.node}, ${machine.server}, ${at.slice(0, 10)}; \`npm run bench\` reproduces it.\n`
}

function eight({ rate, failed, out }) {
  if (out !== undefined) return 'its process dies'
  return failed === 0 ? number(rate, 0) : `${number(rate, 0)}, and ${failed} refused`
}
