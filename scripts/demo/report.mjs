// The demo's one page.
import { bold, cyan, dim, green, say, yellow } from '../support/terminal.mjs'
import { bar, histogram, lightBar, milliseconds, percentile } from './bars.mjs'

const NAME = 26
const NUMBER = 10
const BAR = 30
const ROWS = 6

const columns = () => Math.max(72, Math.min(process.stdout.columns ?? 100, 120))
const cut = (text, room) => (text.length <= room ? text : `${text.slice(0, room - 1)}…`)
const firstLine = (text) => text.trim().split('\n')[0] ?? ''

/** A name, a number, and whatever belongs to them; the last part is cut to the terminal's width. */
function row(name, number, rest = '', colour = (text) => text) {
  const room = columns() - NAME - NUMBER - 5
  say(`  ${name.padEnd(NAME)}${bold(number.padStart(NUMBER))}   ${colour(cut(rest, room))}`)
}

export function printHeader({ version, target, kind }) {
  say()
  say(`  ${bold(`@xec-sh/native ${version}`)}  ${dim('commands over warm SSH connections')}`)
  say(`  ${cyan(`${target.username}@${target.host}:${target.port}`)}  ${dim(`${kind} · Node ${process.versions.node}`)}`)
  say()
}

export function printStory({ first, next, many, failing, timeout }) {
  printCall('first command, cold', first, first.duration)
  printCall('next command, warm', next, first.duration)
  say(`  ${' '.repeat(NAME + NUMBER + 3)}${yellow(lightBar(1, 1))} ${dim('connecting')}  ${green(bar(1, 1))} ${dim('running')}`)
  row(`${many.count} commands, ${many.atOnce} at once`, milliseconds(many.elapsed), `${rate(many)} commands/s, each with its own output`)
  row('a failing command', milliseconds(failing.duration), `exit code ${failing.exitCode}: ${firstLine(failing.stderr)}`)
  row(`a timeout of ${timeout.limit} ms`, milliseconds(timeout.elapsed), `${timeout.error.code}; its neighbour was ${firstLine(timeout.neighbour.stdout)}`)
}

const rate = ({ count, elapsed }) => Math.round((count * 1000) / elapsed)

function printCall(name, { duration, timings, stdout }, longest) {
  const connecting = lightBar(timings.connect / longest, BAR)
  const running = bar((duration - timings.connect) / longest, BAR)
  say(`  ${name.padEnd(NAME)}${bold(milliseconds(duration).padStart(NUMBER))}   ${yellow(connecting)}${green(running)} ${dim(firstLine(stdout))}`)
}

export function printLatencies({ count, results }) {
  const times = results.map((result) => result.duration).sort((a, b) => a - b)
  const at = (share) => milliseconds(percentile(times, share))
  say()
  say(`  ${bold(`Latency of the ${count}`)}  ${dim(`p50 ${at(0.5)} · p90 ${at(0.9)} · p99 ${at(0.99)} · max ${at(1)}`)}`)
  const classes = histogram(times, ROWS)
  const most = Math.max(...classes.map(({ count: size }) => size))
  for (const { from, to, count: size } of classes) row(`${label(from)} to ${label(to)} ms`.padStart(NAME - 2), String(size), bar(size / most, BAR), green)
}

const label = (value) => String(Number(value.toFixed(2)))

export function printPool(stats, events) {
  say()
  say(`  ${bold('Pool')}    ${list([
    [stats.connectionsCreated, 'connections opened'], [stats.commandsRun, 'commands'], [stats.poolHits, 'found one open'],
    [stats.channelRefusals, 'channels refused by the server'],
  ])}`)
  say(`          ${list([[`${(stats.poolEfficiency * 100).toFixed(1)} %`, 'efficiency'], [milliseconds(stats.averageConnectionTime), 'to connect, on average']])}`)
  say(`  ${bold('Events')}  ${list([...events].map(([name, times]) => [times, name]))}`)
}

const list = (pairs) => pairs.map(([value, name]) => `${value} ${dim(name)}`).join(dim(' · '))

export const printVerdict = (seconds) => {
  say()
  say(`  ${green('✔')} Everything came back as it should, in ${seconds.toFixed(1)} s.`)
  say()
}
