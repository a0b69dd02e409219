// npm run soak:copy [-- MEBIBYTES]: a file of a gibibyte into a container and out again, the same bytes, with flat memory.
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Dockerd } from './support/dockerd.mjs'
import { main } from './support/main.mjs'
import { done, say } from './support/terminal.mjs'

const MEBIBYTE = 1024 * 1024
/** What a copy may need beyond what the process had, whatever its size. */
const MOST_GROWTH = 96 * MEBIBYTE

await main(async () => {
  const size = Number(process.argv[2] ?? 1024)
  const { DockerAdapter } = await import('../index.mjs')
  const folder = mkdtempSync(path.join(tmpdir(), 'xec-soak-copy-'))
  const engine = await Dockerd.start()
  const adapter = new DockerAdapter({ socketPath: engine.socketPath })
  try {
    const [file, back] = [path.join(folder, 'big'), path.join(folder, 'back')]
    await write(file, size)
    await engine.container({ name: 'box' })
    // Once, so that what is loaded and grown on first use is not counted.
    await adapter.copyToContainer(process.execPath, 'box', '/tmp/warm')
    await watched(`${size} MiB in`, size, () => adapter.copyToContainer(file, 'box', '/tmp/big'))
    await watched(`${size} MiB out`, size, () => adapter.copyFromContainer('box', '/tmp/big', back))
    if (await hashOf(file) !== await hashOf(back)) throw new Error('what came back is not what went in')
    done('the same bytes')
  } finally {
    await adapter.dispose()
    await engine.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})

async function write(file, size) {
  // Not zeros, which a file system may leave out.
  const block = Buffer.from(Array.from({ length: MEBIBYTE }, (_, at) => (at * 2_654_435_761) >>> 24))
  await pipeline(Readable.from((function* () { for (let i = 0; i < size; i += 1) yield block })()), createWriteStream(file))
}

async function watched(what, size, work) {
  globalThis.gc?.()
  const before = process.memoryUsage().rss
  let most = before
  const timer = setInterval(() => { most = Math.max(most, process.memoryUsage().rss) }, 20)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const start = performance.now()
  await work()
  const seconds = (performance.now() - start) / 1000
  delay.disable()
  clearInterval(timer)
  const growth = most - before
  say(`${what}: ${seconds.toFixed(1)} s, ${Math.round(size / seconds)} MiB/s, memory +${Math.round(growth / MEBIBYTE)} MiB, event loop p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms`)
  if (growth > MOST_GROWTH) throw new Error(`${what} took ${Math.round(growth / MEBIBYTE)} MiB of memory, more than ${MOST_GROWTH / MEBIBYTE}`)
}

async function hashOf(file) {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}
