// A container's log as the runtime writes it, and what of it somebody asked for.
import { watch } from 'node:fs'
import { open } from 'node:fs/promises'
import { badRequest } from './status.mjs'

/** How long a follower waits before it asks the runtime whether the container has ended. */
const TICK = 100
const PIECE = 256 * 1024

export function logOptions(query) {
  const number = (name) => {
    const text = query.get(name)
    if (text === null) return undefined
    if (!/^\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing "${text}": invalid syntax`)
    return Number(text)
  }
  const flag = (name) => ['1', 'true'].includes(query.get(name))
  const seconds = number('sinceSeconds')
  const since = query.get('sinceTime') ?? (seconds === undefined ? undefined : new Date(Date.now() - seconds * 1000).toISOString())
  return { follow: flag('follow'), previous: flag('previous'), timestamps: flag('timestamps'), tail: number('tailLines'), limit: number('limitBytes'), since }
}

/** Yields the log in pieces; ends where it ends, or with `follow` when its container has. */
export async function* readLog({ file, isEnded }, options, signal) {
  const source = await open(file)
  const news = newsOf(file, signal)
  const printer = new Printer(options)
  let tail = options.tail
  let position = 0
  let rest = ''
  try {
    for (;;) {
      // Asked before reading: what is written until a container has ended is then read for certain.
      const last = !options.follow || await isEnded()
      for (;;) {
        const { bytesRead, buffer } = await source.read(Buffer.alloc(PIECE), 0, PIECE, position)
        if (bytesRead === 0) break
        position += bytesRead
        const lines = (rest + buffer.toString('latin1', 0, bytesRead)).split('\n')
        rest = lines.pop()
        printer.take(lines)
        if (tail === undefined) yield* printer.flush()
      }
      // Only the lines there are at the beginning are counted.
      if (tail !== undefined) printer.keepLast(tail)
      tail = undefined
      yield* printer.flush()
      if (last || printer.isFull || signal.aborted) return
      await news.next()
    }
  } finally {
    news.close()
    await source.close()
  }
}

class Printer {
  isFull = false
  #options
  #printed = 0
  #lines = []
  /** Is the next piece the beginning of a line? */
  #fresh = true

  constructor(options) {
    this.#options = options
  }

  /** `TIME STREAM TAG TEXT`; a tag of P says that the line goes on in the next one. */
  take(lines) {
    const { since, timestamps } = this.#options
    for (const line of lines) {
      const [, time, , tag, text] = /^(\S+) (\S+) (\S) ?(.*)$/s.exec(line) ?? []
      if (time === undefined) throw new Error(`no line of a container's log: ${JSON.stringify(line)}`)
      if (since !== undefined && Date.parse(time) < Date.parse(since)) continue
      const whole = tag === 'F'
      const piece = `${timestamps && this.#fresh ? `${time} ` : ''}${text}${whole ? '\n' : ''}`
      if (this.#fresh) this.#lines.push(piece)
      else this.#lines[this.#lines.length - 1] = (this.#lines.at(-1) ?? '') + piece
      // A piece of a line that was printed already begins anew in the list.
      this.#fresh = whole
    }
  }

  keepLast(count) {
    this.#lines = count === 0 ? [] : this.#lines.slice(-count)
  }

  * flush() {
    if (this.#lines.length === 0 || this.isFull) return
    const { limit = Infinity } = this.#options
    const bytes = Buffer.from(this.#lines.join(''), 'latin1')
    this.#lines = []
    const piece = bytes.subarray(0, limit - this.#printed)
    this.#printed += piece.length
    this.isFull = this.#printed >= limit
    yield piece
  }
}

/** Resolves with every change of a file, and every now and then, because the end of a container changes nothing in it. */
function newsOf(file, signal) {
  let wake = () => {}
  const watcher = watch(file, () => wake())
  const abort = () => wake()
  signal.addEventListener('abort', abort)
  return {
    next: () => new Promise((resolve) => {
      const timer = setTimeout(resolve, TICK)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
      if (signal.aborted) wake()
    }),
    close: () => {
      watcher.close()
      signal.removeEventListener('abort', abort)
    },
  }
}
