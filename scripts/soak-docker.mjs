// npm run soak:docker [-- EXECS]: ten thousand execs in one container of a private dockerd, eight at a time. File descriptors, threads
// and memory of this process stay flat, no process is left in the container and no line to the daemon.
import { readdirSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { own, verdicts } from './soak/figures.mjs'
import { Dockerd } from './support/dockerd.mjs'
import { main } from './support/main.mjs'
import { green, red, say, step } from './support/terminal.mjs'

const AT_ONCE = 8
const SAMPLES = 80
/** Of what was ended early: three seconds until it is killed, and what a busy daemon takes to tell. */
const ENDING = 30_000

/** What users do, in the order of how often; each checks what comes of it. */
const WORKS = [
  ...Array(16).fill('line'), 'input', 'status', 'left', 'abort',
]

const DO = {
  async line(pool, container) {
    must((await pool.exec(container, 'echo fine; echo aside >&2')), ({ stdout, stderr }) => stdout === 'fine\n' && stderr === 'aside\n')
  },
  async input(pool, container) {
    must(await pool.exec(container, ['wc', '-c'], { stdin: Buffer.alloc(100_000) }), ({ stdout }) => stdout.trim() === '100000')
  },
  async status(pool, container) {
    must(await pool.exec(container, 'exit 7'), ({ exitCode }) => exitCode === 7)
  },
  async left(pool, container) {
    for await (const line of pool.spawn(container, 'yes')) {
      must(line, (text) => text === 'y')
      break
    }
  },
  async abort(pool, container) {
    const error = await pool.exec(container, 'sleep 600', { signal: AbortSignal.timeout(100) }).catch((reason) => reason)
    must(error, ({ code }) => code === 'ABORT_ERR')
  },
}

await main(async () => {
  const execs = Number(process.argv[2] ?? 10_000)
  const { DockerConnectionPool } = await import('../index.mjs')
  const engine = await Dockerd.start()
  const pool = new DockerConnectionPool({ socketPath: engine.socketPath })
  try {
    const container = await engine.container()
    // What the test bed itself holds open is not counted.
    const before = sockets()
    const begun = performance.now()
    const { tally, samples } = await soak(pool, container, execs)
    say(`  ${JSON.stringify(tally)}, ${(execs / (performance.now() - begun) * 1000).toFixed(1)} per second`)
    const results = verdicts(samples, { rssMiB: 1.1, heapMiB: 1.3, fds: 1.1, threads: 1.05 })
    const left = await until(async () => (await engine.processes(container)).length, (count) => count === 1)
    results.push({ what: 'processes in it', early: '1', late: String(left), ok: left === 1 })
    await pool.dispose()
    const lines = await until(() => Promise.resolve(sockets() - before), (count) => count <= 0)
    results.push({ what: 'lines left', early: '0', late: String(lines), ok: lines <= 0 })
    for (const { what, early, late, ok } of results) say(`  ${ok ? green('✔') : red('✘')} ${what.padEnd(22)} ${early} → ${late}`)
    return results.every(({ ok }) => ok) ? 0 : 1
  } finally {
    await pool.dispose()
    await engine.stop()
  }
})

function must(got, right) {
  if (!right(got)) throw new Error(`a wrong result: ${JSON.stringify(got)}`)
}

async function soak(pool, container, execs) {
  const [tally, samples] = [{}, []]
  const every = Math.max(1, Math.floor(execs / SAMPLES))
  let begun = 0
  const worker = async () => {
    while (begun < execs) {
      const name = WORKS[begun % WORKS.length]
      begun += 1
      await DO[name](pool, container)
      tally[name] = (tally[name] ?? 0) + 1
      const finished = Object.values(tally).reduce((sum, count) => sum + count, 0)
      if (finished % every !== 0) continue
      samples.push(own())
      if (samples.length % 8 === 0) step(`${finished} of ${execs}: ${JSON.stringify(samples.at(-1))}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return { tally, samples }
}

/** Looks until it is so, and no longer than `ENDING`: other processes and the kernel give no event. */
async function until(look, so) {
  const deadline = performance.now() + ENDING
  for (;;) {
    const seen = await look()
    if (so(seen) || performance.now() > deadline) return seen
    await sleep(100)
  }
}

/** That this process has open. */
function sockets() {
  return readdirSync('/proc/self/fd').filter((fd) => target(fd).startsWith('socket:')).length
}

function target(fd) {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch (error) {
    // Closed since it was listed, as the folder's own is.
    if (error.code === 'ENOENT') return ''
    throw error
  }
}
