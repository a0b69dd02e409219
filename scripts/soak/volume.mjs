// Files of any size, and work that must not need more memory for them.
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { say } from '../support/terminal.mjs'

export const MEBIBYTE = 1024 * 1024
/** What a copy may need beyond what the process had, whatever its size. */
const MOST_GROWTH = 96 * MEBIBYTE

/** Not zeros, which a file system may leave out. */
const BLOCK = Buffer.from(Array.from({ length: MEBIBYTE }, (_, at) => (at * 2_654_435_761) >>> 24))

/** As many blocks of a mebibyte. */
export function* blocks(size) {
  for (let i = 0; i < size; i += 1) yield BLOCK
}

export const write = (file, size) => pipeline(Readable.from(blocks(size)), createWriteStream(file))

export async function hashOf(file) {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

/** The work's time, rate and growth of memory; too much of that is an error. */
export async function watched(what, size, work) {
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
