// One client in a process of its own: measures what it is told to, over and over, and answers with figures.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { cpuOfEndedChildren } from './cpu.mjs'

// The histogram's own timer: an idle loop is "late" by this much.
const RESOLUTION = 1

const [, , name] = process.argv
const { label, open } = await import(`./clients/${name}.mjs`)
let client

const tasks = {
  async open({ target }) {
    client = await open(target)
    return { label }
  },
  /** Commands for `seconds`, `atOnce` at a time. */
  async commands({ atOnce, seconds, command }) {
    return measured(async () => (client.measure === undefined ? repeat(atOnce, seconds, command) : client.measure('commands', atOnce, seconds, command)))
  },
  /** `count` new connections at once, for `seconds`; the latencies are those of all `count` together. */
  async handshakes({ count, seconds, command }) {
    if (client.measure !== undefined) return measured(() => client.measure('handshakes', count, seconds, command))
    if (client.handshakes === undefined) return undefined
    const batches = await measured(() => repeat(1, seconds, command, (line) => client.handshakes(count, line)))
    return { ...batches, commands: batches.commands * count }
  },
  /** The first command on a new connection and the ones after it, in milliseconds. */
  async firstAndWarm({ times, command }) {
    if (client.reconnect === undefined) return undefined
    const first = await time(command)
    const warm = []
    for (let index = 0; index < times; index += 1) warm.push(await time(command))
    await client.reconnect()
    return { first, warm }
  },
  async close() {
    await client.close()
  },
}

process.on('message', async ({ task, ...details }) => {
  const reply = await tasks[task](details).then((answer) => ({ answer }), (error) => ({ error: error.message }))
  // Some clients keep a process alive after they were closed; that is not what is measured here.
  process.send(reply, () => { if (task === 'close') process.exit() })
})
// The driver is gone: so are we.
process.once('disconnect', () => process.exit())

async function time(command) {
  const start = performance.now()
  await client.run(command)
  return performance.now() - start
}

async function measured(work) {
  const loop = monitorEventLoopDelay({ resolution: RESOLUTION })
  const cpu = cpuSoFar()
  loop.enable()
  const result = await work()
  loop.disable()
  return { ...result, cpu: cpuSoFar() - cpu, loopDelay: Math.max(0, loop.percentile(99) / 1e6 - RESOLUTION) }
}

function cpuSoFar() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000 + cpuOfEndedChildren() + (client.cpuElsewhere?.() ?? 0)
}

/** `atOnce` loops until the time is up; a command that fails is counted, and does not count as done. */
async function repeat(atOnce, seconds, command, run = (line) => client.run(line)) {
  const latencies = []
  const reasons = new Map()
  const start = performance.now()
  const worker = async () => {
    while (performance.now() - start < seconds * 1000) {
      const begun = performance.now()
      try {
        await run(command)
        latencies.push(performance.now() - begun)
      } catch (error) {
        reasons.set(error.message, (reasons.get(error.message) ?? 0) + 1)
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  const failed = [...reasons.values()].reduce((sum, times) => sum + times, 0)
  return { commands: latencies.length, failed, reasons: Object.fromEntries(reasons), seconds: (performance.now() - start) / 1000, latencies }
}
