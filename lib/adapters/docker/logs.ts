import { StringDecoder } from 'node:string_decoder'
import { InvalidOptionError } from '../../errors'
import { boolean, integer, nonEmptyText } from '../../options/checks'
import { signal } from '../../options/exec'
import { type Check, shape } from '../../options/schema'
import { inspectContainer } from './containers'
import type { DockerExchange } from '../../docker'
import { inPath } from './api'
import { tooMuch } from './daemon-error'
import { withDeadline } from './deadline'
import { moment } from './duration'
import type { Room } from './room'
import { fields } from './shape-of'

const tail: Check<number | 'all'> = (value, option) => (value === 'all' ? value : integer(0, Number.MAX_SAFE_INTEGER)(value, option))

const checkLogs = shape({ follow: boolean, tail, since: nonEmptyText, until: nonEmptyText, timestamps: boolean, signal })

type Checked = ReturnType<typeof checkLogs>

const checked = (options: unknown): Checked => (options === undefined ? {} : checkLogs(options, ''))

/** What a container printed on stdout. With `follow`, until it has ended. */
export async function getLogs(room: Room, container: string, options: unknown): Promise<string> {
  const { client, maxBuffer } = room
  return reading(room, container, checked(options), { stdout: true, stderr: false }, async ({ exchange }) => {
    const collected: Buffer[] = []
    let size = 0
    for await (const piece of exchange.stdout as AsyncIterable<Buffer>) {
      collected.push(piece)
      size += piece.length
      if (size > maxBuffer) throw tooMuch('stdout', maxBuffer, client.host)
    }
    return Buffer.concat(collected).toString('utf8')
  })
}

/** Each line of both streams, whole and with its end, as it comes. What `onData` throws ends it. */
export async function streamLogs(room: Room, container: string, onData: (line: string) => void, options: unknown): Promise<void> {
  if (typeof onData !== 'function') throw new InvalidOptionError('onData', 'expected a function')
  await reading(room, container, checked(options), { stdout: true, stderr: true }, async ({ exchange, framed }) => {
    const streams = framed ? [false, true] : [false]
    await Promise.all(streams.map(async (stderr) => eachLine(exchange, stderr, onData)))
  })
}

interface Reading {
  exchange: DockerExchange
  /** Both streams in frames; a container with a terminal has one stream, without frames. */
  framed: boolean
}

async function reading<T>(
  room: Room, container: string, options: Checked, streams: { stdout: boolean; stderr: boolean }, work: (reading: Reading) => Promise<T>,
): Promise<T> {
  const { client, managementTimeout } = room
  const { follow = false, tail: last, since, until, timestamps, signal: stop } = options
  const query = {
    ...streams, follow, tail: last, timestamps,
    since: since === undefined ? undefined : moment(since, 'since'), until: until === undefined ? undefined : moment(until, 'until'),
  }
  const framed = fields(await inspectContainer(room, container)).object('Config').boolean('Tty') !== true
  // Following takes as long as the container runs.
  const timeout = follow ? 0 : managementTimeout
  return withDeadline({ what: `Reading the logs of ${container}`, host: client.host, timeout, signal: stop }, async (cut) => {
    const exchange = cut.closes(client.exchange('GET', `/containers/${inPath(container)}/logs`, {
      query, framed, timeout: managementTimeout, signal: stop,
    }))
    try {
      await exchange.head
      return await work({ exchange, framed })
    } catch (error) {
      exchange.cancel()
      throw error
    }
  })
}

async function eachLine(exchange: DockerExchange, stderr: boolean, onData: (line: string) => void): Promise<void> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  for await (const piece of (stderr ? exchange.stderr : exchange.stdout) as AsyncIterable<Buffer>) {
    const lines = (rest + decoder.write(piece)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onData(`${line}\n`)
  }
  rest += decoder.end()
  if (rest !== '') onData(`${rest}\n`)
}
