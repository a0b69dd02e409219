import type { Writable } from 'node:stream'
import { CancelToken, type NativeProcess, type CommandSpec } from '../binding'
import { errorFromFailure } from '../errors'
import type { CheckedSpawnOptions } from '../options'
import { onAbort } from '../on-abort'
import type { SpawnResult } from '../types'
import { Feed, type Inlet } from './feed'
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
  const unlink = signal === undefined ? undefined : onAbort(signal, cancel)
  const native = spawner.start(spawnSpec(command, options), token)
  const fed: { by?: Feed } = {}
  const done = ending({ command, host, native }, { signal, fed }, spawner.settled)
    .finally(() => { unlink?.() })
  const process = new RemoteProcess({ command, host, native, done, token, encoding })
  if (stdin === undefined) return process
  if (typeof stdin === 'string' || Buffer.isBuffer(stdin)) process.stdin.end()
  else fed.by = new Feed(stdin, inletOf(process.stdin), cancel)
  return process
}

function inletOf(stdin: Writable): Inlet {
  return {
    write: (data) => new Promise((resolve) => { stdin.write(data, () => { resolve(!stdin.destroyed) }) }),
    end: () => { stdin.end() },
  }
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
  /** Where stdin comes from a stream. */
  fed: { by?: Feed }
}

async function ending(
  { command, host, native }: Pick<Start, 'command' | 'host' | 'native'>, { signal, fed }: Reasons,
  settled: Spawner['settled'],
): Promise<SpawnResult> {
  let completed = false
  try {
    const { output, failure } = await (await native).finished()
    completed = output !== undefined
    const unread = failure === undefined ? undefined : fed.by?.error(failure.reached)
    if (unread !== undefined) throw unread
    if (failure !== undefined) throw errorFromFailure(failure, { command, reason: signal?.reason })
    if (output === undefined) throw new TypeError('the engine answered with neither output nor failure')
    const { exitCode, signal: killedBy, duration, queued, connect, run } = output
    return {
      command, host, exitCode, ...(killedBy === undefined ? {} : { signal: killedBy }),
      ok: exitCode === 0 && killedBy === undefined, duration, timings: { queued, connect, run },
    }
  } finally {
    void fed.by?.stop()
    settled(completed)
  }
}
