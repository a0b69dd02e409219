// The bench's tables.
import { bold, dim, green, red, say, yellow } from '../scripts/support/terminal.mjs'

const COLUMNS = [
  ['per second', ({ rate }) => fixed(rate, rate < 100 ? 1 : 0)],
  ['p50 ms', ({ p50 }) => fixed(p50, 2)],
  ['p99 ms', ({ p99 }) => fixed(p99, 2)],
  ['CPU ms each', ({ cpu }) => fixed(cpu, 2)],
  ['loop p99 ms', ({ loopDelay }) => fixed(loopDelay, 2)],
  ['failed', ({ failed }) => String(failed)],
]

const fixed = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits) : '')

export function printRace(name, results) {
  say()
  say(`  ${bold(name.padEnd(28))}${dim(COLUMNS.map(([title]) => title.padStart(13)).join(''))}`)
  for (const result of Object.values(results)) {
    say(`  ${result.label.padEnd(28)}${COLUMNS.map(([, value]) => value(result).padStart(13)).join('')}`)
    if (result.out !== undefined) say(`    ${yellow(`out: ${result.out}`)}`)
    for (const [reason, times] of Object.entries(result.reasons)) if (times > 0) say(`    ${yellow(reason)}`)
  }
}

export function printRoundTrips({ roundTrip, ...clients }) {
  say()
  say(`  ${bold('round trips'.padEnd(28))}${dim('first command'.padStart(15) + 'warm command'.padStart(15))}  ${dim(`one is ${roundTrip.toFixed(1)} ms`)}`)
  for (const { label, first, warm } of Object.values(clients)) say(`  ${label.padEnd(28)}${first.toFixed(2).padStart(15)}${warm.toFixed(2).padStart(15)}`)
}

export function printVerdicts(verdicts) {
  say()
  for (const { what, target, value, met, bound } of verdicts) {
    say(`  ${met ? green('✔') : red('✘')} ${what.padEnd(58)}${bold(value.padStart(8))}  ${dim(target)}${bound === undefined ? '' : dim(` (${bound})`)}`)
  }
  say()
}

/** What moved bytes or files, and what that cost. */
export function printTransfers(title, clients) {
  say()
  say(`  ${bold(title.padEnd(36))}${dim(['rate', 'CPU ms', 'loop p99 ms', 'RSS MB'].map((name) => name.padStart(13)).join(''))}`)
  for (const { label, rate, cpu, loopDelay, rss, out } of Object.values(clients)) {
    const cells = [rate.toFixed(0), cpu.toFixed(0), loopDelay.toFixed(2), (rss / 1e6).toFixed(0)]
    say(`  ${label.padEnd(36)}${cells.map((cell) => cell.padStart(13)).join('')}`)
    if (out !== undefined) say(`    ${yellow(`out: ${out}`)}`)
  }
}
