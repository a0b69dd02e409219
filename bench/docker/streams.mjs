// The race of streams: a big stdout, and a container's log that is followed, ours and dockerode's, each in a process of its own, and
// beside the CLI a process that does nothing: on few cores the daemon's own work holds up every loop.
import { fileURLToPath } from 'node:url'
import { Contender } from '../contender.mjs'
import { median } from '../statistics.mjs'

// One worker for whatever is transferred; it finds its clients beside itself.
const WORKER = fileURLToPath(new URL('../files/worker.mjs', import.meta.url))
const CLIENTS = { ours: '../docker/stream-ours', dockerode: '../docker/stream-dockerode', cli: '../docker/stream-cli' }

const MEBIBYTE = 1024 * 1024
const LINE = 'what a service says when it has served somebody, and how long that took'

export const STREAMS = {
  stdout: { title: 'stdout of 256 MiB, MiB/s', mebibytes: 256 },
  follow: { title: 'following 32 MiB of lines, MiB/s', mebibytes: 32 },
}

/** Resolves with `{ stdout, follow }`, each `{ client: { label, rate, rates, cpu, loopDelay, loopDelays, rss } }`. */
export async function raceStreams({ daemon, rounds, progress }) {
  const printing = STREAMS.follow.mebibytes * MEBIBYTE
  // It goes on running, as what is followed does; the readers leave when they have seen everything.
  const talker = await daemon.container({ cmd: ['sh', '-c', `yes '${LINE}' | head -c ${printing}; echo; exec sleep 3600`] })
  const target = { socketPath: daemon.socketPath, url: daemon.url, container: await daemon.container(), talker }
  const results = {}
  for (const [what, { mebibytes }] of Object.entries(STREAMS)) {
    progress(what)
    results[what] = await race(what, mebibytes, { target, rounds })
  }
  return results
}

async function race(what, mebibytes, { target, rounds }) {
  const contenders = await Promise.all(Object.entries(CLIENTS).map(async ([name, file]) => {
    const contender = new Contender(file, WORKER)
    const { label } = await contender.ask('open', { target })
    return { name, contender, label, samples: [] }
  }))
  // The first round only warms up.
  for (let round = 0; round <= rounds; round += 1) {
    for (const { contender, samples } of round % 2 === 0 ? contenders : [...contenders].reverse()) {
      const sample = await contender.ask('transfer', { what, from: mebibytes * MEBIBYTE })
      if (round > 0) samples.push(sample)
    }
  }
  for (const { contender } of contenders) await contender.close()
  return Object.fromEntries(contenders.map(({ name, label, samples }) => {
    const rates = samples.map(({ seconds }) => mebibytes / seconds)
    const loopDelays = samples.map(({ loopDelay }) => loopDelay)
    return [name, {
      label, rates, loopDelays, rate: median(rates), loopDelay: median(loopDelays), cpu: median(samples.map(({ cpu }) => cpu)),
      rss: Math.max(...samples.map(({ rss }) => rss)),
    }]
  }))
}
