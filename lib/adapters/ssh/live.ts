import { PassThrough, type Readable, type Writable } from 'node:stream'
import { MaxBufferError, XecNativeError } from '../../errors'
import type { SSHConnectionPool } from '../../pool'
import { patience, patiently } from '../../pool/patience'
import type { RemoteProcess } from '../../process'
import type { CommandResult } from '../../types'
import { type Call, execOptions } from './call'
import type { Outcome } from './outcome'
import { deliver, goesOn } from './outlet'

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
  timeout?: number | undefined
  signal?: AbortSignal | undefined
  maxBuffer: number
}

/** Does the caller want something of the command before it has ended? */
export function isLive({ command: { onSpawn, stdout, stderr } }: Outcome): boolean {
  return onSpawn !== undefined || goesOn(stdout) || goesOn(stderr)
}

/** As `watchLive`, for a command of the pool. */
export function runLive(pool: SSHConnectionPool, call: Call): Promise<CommandResult<Buffer>> {
  const { cwd, env, stdin, timeout, signal, maxBuffer = Number.POSITIVE_INFINITY } = execOptions(call)
  const start = (cut: AbortSignal): LiveProcess => pool.spawn(call.target, call.line, { cwd, env, timeout, stdin: stdin ?? '', signal: cut })
  return watchLive(start, { timeout, signal, maxBuffer }, call)
}

/**
 * Runs a command whose caller wants its streams while it runs. Output that goes on to a Writable or function is not
 * collected, and comes at the Writable's pace; the rest is, all the same. The handle's streams hold no more than
 * `maxBuffer`, so a caller that does not read them holds up nothing. `start` gets what ends the command.
 */
export async function watchLive(
  start: (cut: AbortSignal) => LiveProcess | Promise<LiveProcess>, { timeout, signal, maxBuffer }: LiveLimits, call: Outcome,
): Promise<CommandResult<Buffer>> {
  const within = patience({ timeout, signal })
  const overflow = new AbortController()
  const process = await start(signal === undefined ? overflow.signal : AbortSignal.any([signal, overflow.signal]))
  const { collected, delivered, output } = collect(process, call, maxBuffer, overflow)
  try {
    call.command.onSpawn?.({ stdin: null, ...collected, kill: (name) => process.kill(name) })
  } catch (error) {
    // Nobody else could end it.
    overflow.abort(error)
    throw error
  }
  try {
    const done = await process.done
    // It has ended, but who takes its output may take it for ever.
    await patiently(delivered, within)
    const ended = { ...done, ...await output() }
    // A short command may have ended before it could be cut short.
    overflow.signal.throwIfAborted()
    return ended
  } catch (cause) {
    if (goesOn(call.command.stdout)) process.stdout.destroy()
    if (goesOn(call.command.stderr)) process.stderr.destroy()
    const error: unknown = overflow.signal.aborted ? overflow.signal.reason : cause
    if (error instanceof XecNativeError) keepOutput(error, await output())
    throw error
  }
}

interface Collecting {
  /** Copies of the command's streams. */
  collected: { stdout: PassThrough; stderr: PassThrough }
  /** Resolves when what goes elsewhere has got there. Never rejects: what fails ends the command. */
  delivered: Promise<unknown>
  /** All that came, once the streams have ended. */
  output: () => Promise<Pick<CommandResult<Buffer>, 'stdout' | 'stderr' | 'stdall'>>
}

const own = { stdout: process.stdout, stderr: process.stderr }

function collect(process: LiveProcess, call: Outcome, maxBuffer: number, overflow: AbortController): Collecting {
  const all: Buffer[] = []
  const collected = { stdout: new PassThrough(), stderr: new PassThrough() }
  const parts = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
  const delivered: Promise<void>[] = []
  for (const name of ['stdout', 'stderr'] as const) {
    const target = call.command[name]
    if (goesOn(target)) {
      collected[name].end()
      delivered.push(deliver(process[name], target, own[name], call).catch((error: unknown) => { overflow.abort(error) }))
      continue
    }
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
    delivered: Promise.all(delivered),
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
