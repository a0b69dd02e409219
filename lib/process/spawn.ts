import { finished } from 'node:stream'
import { CancelToken, type NativeProcess, type CommandSpec } from '../binding'
import { InvalidUsageError, errorFromFailure } from '../errors'
import type { CheckedSpawnOptions } from '../options'
import type { SpawnResult } from '../types'
import { type Start, RemoteProcess } from './remote-process'

/** What starts commands. */
export interface Spawner {
  host: string
  start: (spec: CommandSpec, token: CancelToken) => Promise<NativeProcess>
  /** Called before `done` settles. */
  settled: (completed: boolean) => void
}

export function spawnProcess(spawner: Spawner, command: string, options: CheckedSpawnOptions): RemoteProcess {
  const { host } = spawner
  const { signal, stdin, encoding } = options
  const token = new CancelToken()
  const cancel = (): void => { token.cancel() }
  if (signal?.aborted === true) cancel()
  signal?.addEventListener('abort', cancel, { once: true })
  const native = spawner.start(spawnSpec(command, options), token)
  const source = typeof stdin === 'object' && !Buffer.isBuffer(stdin) ? stdin : undefined
  const broken: { cause?: unknown } = {}
  const done = ending({ command, host, native }, { signal, broken }, spawner.settled)
    .finally(() => { signal?.removeEventListener('abort', cancel) })
  const process = new RemoteProcess({ command, host, native, done, token, encoding })
  if (source !== undefined) {
    // Destroyed without an error it would otherwise never end, and the command wait for ever.
    finished(source, { writable: false }, (cause) => {
      if (cause == null) return
      broken.cause = cause
      cancel()
    })
    source.pipe(process.stdin)
  } else if (stdin !== undefined) {
    process.stdin.end()
  }
  return process
}

function spawnSpec(command: string, { cwd, env, timeout, priority, pty, stdin }: CheckedSpawnOptions): CommandSpec {
  return {
    command, cwd, env, priority, pty, maxBuffer: 0,
    timeout: timeout === 0 ? undefined : timeout,
    stdin: typeof stdin === 'string' || Buffer.isBuffer(stdin) ? stdin : undefined,
  }
}

interface Reasons {
  signal: AbortSignal | undefined
  /** Why reading the stdin stream failed. */
  broken: { cause?: unknown }
}

async function ending(
  { command, host, native }: Pick<Start, 'command' | 'host' | 'native'>, { signal, broken }: Reasons,
  settled: Spawner['settled'],
): Promise<SpawnResult> {
  let completed = false
  try {
    const { output, failure } = await (await native).finished()
    completed = output !== undefined
    if (failure !== undefined && broken.cause !== undefined) throw stdinError(broken.cause, failure.reached)
    if (failure !== undefined) throw errorFromFailure(failure, { command, reason: signal?.reason })
    if (output === undefined) throw new TypeError('the engine answered with neither output nor failure')
    const { exitCode, signal: killedBy, duration, queued, connect, run } = output
    return {
      command, host, exitCode, ...(killedBy === undefined ? {} : { signal: killedBy }),
      ok: exitCode === 0 && killedBy === undefined, duration, timings: { queued, connect, run },
    }
  } finally {
    settled(completed)
  }
}

function stdinError(cause: unknown, reached: boolean | undefined): InvalidUsageError {
  return new InvalidUsageError({
    code: 'ESTDIN', kind: 'invalid-usage', phase: 'run', cause, ...(reached === undefined ? {} : { reached }),
    message: 'Reading the stdin stream failed, so the command was ended',
  })
}
