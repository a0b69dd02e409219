// How many times a client waits for the line: times over a long line, divided by how long the line is.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { Contender } from './contender.mjs'
import { startDelayProxy } from './delay-proxy.mjs'
import { median } from './statistics.mjs'

const DELAY = 25
const TIMES = 5
const COMMAND = 'echo ok'

/** `{ roundTrip, ours: { label, first, warm }, ssh2: … }`, `first` and `warm` in round trips. */
export async function roundTrips(target, clients = ['ours', 'ssh2']) {
  const roundTrip = await lengthOfLine()
  const proxy = await startDelayProxy({ host: target.host, port: target.port, delay: DELAY })
  const results = { roundTrip }
  for (const name of clients) results[name] = await measure(name, { ...target, port: proxy.port }, roundTrip)
  await proxy.stop()
  return results
}

async function measure(name, target, roundTrip) {
  const contender = new Contender(name)
  const { label } = await contender.ask('open', { target })
  const samples = []
  for (let index = 0; index < TIMES; index += 1) samples.push(await contender.ask('firstAndWarm', { times: TIMES, command: COMMAND }))
  await contender.close()
  const inTrips = (times) => median(times) / roundTrip
  return { label, first: inTrips(samples.map(({ first }) => first)), warm: inTrips(samples.flatMap(({ warm }) => warm)) }
}

/** What one byte there and back really takes through such a proxy: timers are never exact. */
async function lengthOfLine() {
  const echo = createServer({ noDelay: true }, (socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  const proxy = await startDelayProxy({ host: '127.0.0.1', port: echo.address().port, delay: DELAY })
  const socket = connect({ port: proxy.port, host: '127.0.0.1', noDelay: true })
  const times = []
  for (let index = 0; index < 2 * TIMES; index += 1) {
    const start = performance.now()
    socket.write('x')
    await once(socket, 'data')
    times.push(performance.now() - start)
  }
  socket.destroy()
  await proxy.stop()
  echo.close()
  // The first one contains the connection.
  return median(times.slice(1))
}
