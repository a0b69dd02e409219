// One client in a process of its own, away from the test bed's API server: does what it is told once, and answers with what that took.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import * as clients from './clients.mjs'

// The histogram's own timer: an idle loop is "late" by this much.
const RESOLUTION = 1

const [, , name] = process.argv
const { label, open } = clients[name]
let client

const tasks = {
  /** `undefined` where the client is not installed. */
  async open({ kubeconfig }) {
    client = await open(kubeconfig)
    return client === undefined ? undefined : { label }
  },
  /** Milliseconds of one operation. */
  async once({ what, pod }) {
    const begun = performance.now()
    const answer = await client[what](pod)
    const spent = performance.now() - begun
    if (answer === undefined || answer === '' || (what === 'exec' && answer !== 'hello\n')) throw new Error(`${what} answers ${JSON.stringify(answer)}`)
    return spent
  },
  /** Seconds, and how late the event loop was meanwhile: the 99th of a hundred, in milliseconds. */
  async long({ what, pod, amount }) {
    const loop = monitorEventLoopDelay({ resolution: RESOLUTION })
    const begun = performance.now()
    loop.enable()
    await client[what](pod, amount)
    loop.disable()
    return { seconds: (performance.now() - begun) / 1000, loopDelay: Math.max(0, loop.percentile(99) / 1e6 - RESOLUTION) }
  },
  close: async () => client?.close(),
}

process.on('message', async ({ task, ...details }) => {
  const reply = await tasks[task](details).then((answer) => ({ answer }), (error) => ({ error: error.message }))
  process.send(reply, () => { if (task === 'close') process.exit() })
})
// The driver is gone: so are we.
process.once('disconnect', () => process.exit())
