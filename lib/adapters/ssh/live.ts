import { PassThrough, type Readable, type Writable } from 'node:stream'
import { MaxBufferError, XecNativeError } from '../../errors'
import type { SSHConnectionPool } from '../../pool'
import type { RemoteProcess } from '../../process'
import type { CommandResult } from '../../types'
import { type Call, execOptions } from './call'

/** What @xec-sh/core gets of a running command, for `for await` and `kill()`. */
export interface SpawnHandle {
  pid?: number
  stdin: Writable | null
  stdout: Readable
  stderr: Readable
  kill: (signal?: NodeJS.Signals | number) => boolean
}

/** What is needed of a running command. */
export type LiveProcess = Pick<RemoteProcess, 'stdout' | 'stderr' | 'done' | 'kill'>

export interface LiveLimits {
  signal: AbortSignal | undefined
  maxBuffer: number
}

/** As `watchLive`, for a command of the pool. */
export function runLive(pool: SSHConnectionPool, call: Call, onSpawn: (handle: SpawnHandle) => void): Promise<CommandResult<Buffer>> {
  const { cwd, env, stdin, timeout, signal, maxBuffer = Number.POSITIVE_INFINITY } = execOptions(call)
  const start = (cut: AbortSignal): LiveProcess => pool.spawn(call.target, call.line, { cwd, env, timeout, stdin: stdin ?? '', signal: cut })
  return watchLive(start, { signal, maxBuffer }, onSpawn)
}

/**
 * Runs a command whose caller wants its streams while it runs, and collects its output all the same. The handle's streams
 * hold no more than `maxBuffer`, so a caller that does not read them holds up nothing. `start` gets what ends the command.
 */
export async function watchLive(
  start: (cut: AbortSignal) => LiveProcess | Promise<LiveProcess>, { signal, maxBuffer }: LiveLimits,
  onSpawn: ((handle: SpawnHandle) => void) | undefined,
): Promise<CommandResult<Buffer>> {
  const overflow = new AbortController()
  const process = await start(signal === undefined ? overflow.signal : AbortSignal.any([signal, overflow.signal]))
  const { collected, output } = collect(process, maxBuffer, overflow)
  try {
    onSpawn?.({ stdin: null, ...collected, kill: (name) => process.kill(name) })
  } catch (error) {
    // Nobody else could end it.
    overflow.abort(error)
    throw error
  }
  try {
    const ended = { ...await process.done, ...await output() }
    // A short command may have ended before it could be cut short.
    overflow.signal.throwIfAborted()
    return ended
  } catch (cause) {
    const error: unknown = overflow.signal.aborted ? overflow.signal.reason : cause
    if (error instanceof XecNativeError) keepOutput(error, await output())
    throw error
  }
}

interface Collecting {
  /** Copies of the command's streams. */
  collected: { stdout: PassThrough; stderr: PassThrough }
  /** All that came, once the streams have ended. */
  output: () => Promise<Pick<CommandResult<Buffer>, 'stdout' | 'stderr' | 'stdall'>>
}

function collect(process: LiveProcess, maxBuffer: number, overflow: AbortController): Collecting {
  const all: Buffer[] = []
  const collected = { stdout: new PassThrough(), stderr: new PassThrough() }
  const parts = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
  for (const name of ['stdout', 'stderr'] as const) {
    let size = 0
    process[name].on('data', (chunk: Buffer) => {
      const kept = chunk.subarray(0, Math.max(0, maxBuffer - size))
      size += chunk.length
      parts[name].push(kept)
      all.push(kept)
      collected[name].write(kept)
      if (size > maxBuffer) overflow.abort(tooMuch(name, maxBuffer))
    })
    process[name].on('end', () => { collected[name].end() })
  }
  return {
    collected,
    output: async () => {
      // It has ended; what it printed may still be on its way to us.
      await Promise.all([closed(process.stdout), closed(process.stderr)])
      return { stdout: Buffer.concat(parts.stdout), stderr: Buffer.concat(parts.stderr), stdall: Buffer.concat(all) }
    },
  }
}

/** What had arrived, as on the errors of commands that nobody watches. */
function keepOutput(error: XecNativeError, { stdout, stderr }: { stdout: Buffer; stderr: Buffer }): void {
  for (const [name, value] of Object.entries({ stdout, stderr })) {
    Object.defineProperty(error, name, { value, enumerable: false, configurable: true })
  }
}

/** Not events.once(): that listens for errors too, and then the stream has some. */
async function closed(stream: Readable): Promise<void> {
  if (!stream.closed) await new Promise<void>((resolve) => { stream.once('close', resolve) })
}

function tooMuch(stream: 'stdout' | 'stderr', limit: number): MaxBufferError {
  return new MaxBufferError({
    code: 'EMAXBUFFER', kind: 'unknown', phase: 'run', reached: true, stream, limit,
    message: `${stream} exceeded maxBuffer (${limit} bytes)`,
  })
}
