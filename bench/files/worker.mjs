// One client in a process of its own: does one transfer at a time and answers with what it cost.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { cpuOfEndedChildren } from '../cpu.mjs'

// The histogram's own timer: an idle loop is "late" by this much.
const RESOLUTION = 1

const [, , name] = process.argv
const { label, open } = await import(`./${name}.mjs`)
let client

async function transfer({ what, from, to }) {
  if (client[what] === undefined) return undefined
  const loop = monitorEventLoopDelay({ resolution: RESOLUTION })
  const [cpu, begun] = [cpuSoFar(), performance.now()]
  loop.enable()
  await client[what](from, to)
  loop.disable()
  return {
    seconds: (performance.now() - begun) / 1000, cpu: cpuSoFar() - cpu,
    loopDelay: Math.max(0, loop.percentile(99) / 1e6 - RESOLUTION), rss: process.memoryUsage.rss(),
  }
}

function cpuSoFar() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000 + cpuOfEndedChildren()
}

const tasks = {
  async open({ target }) {
    client = await open(target)
    return { label }
  },
  transfer,
  close: async () => client.close(),
}

process.on('message', async ({ task, ...details }) => {
  const reply = await tasks[task](details).then((answer) => ({ answer }), (error) => ({ error: error.message }))
  process.send(reply, () => { if (task === 'close') process.exit() })
})
// The driver is gone: so are we.
process.once('disconnect', () => process.exit())
