import type { DockerClient } from '../../docker'
import type { CommandResult } from '../../types'
import { type LiveProcess, watchLive } from '../ssh/live'
import type { DockerCall } from './call'
import { hasCode } from './daemon-error'
import type { Room } from './room'
import { type RunningCommand, runCommand } from './run'

/** Runs a call in the container it names. */
export function execInContainer(client: DockerClient, call: DockerCall): Promise<CommandResult<Buffer>> {
  const { place, argv, command, failed, maxBuffer } = call
  const { container, user, workdir, env, privileged, tty } = place
  const entering = { workdir, user, privileged, env, pty: tty }
  const { stdin } = command
  // A terminal whose input is closed hangs up before the command has said anything: nobody types, but the line stays open.
  const quiet = tty && stdin === undefined
  if (command.onSpawn === undefined && !quiet) {
    return client.exec(container, argv, {
      ...entering, encoding: 'buffer', collectAll: true, stdin, timeout: failed.timeout, signal: command.signal, maxBuffer,
    })
  }
  const start = (cut: AbortSignal): LiveProcess =>
    client.spawn(container, argv, { ...entering, ...(quiet ? {} : { stdin: stdin ?? '' }), timeout: failed.timeout, signal: cut })
  return watchLive(start, { signal: command.signal, maxBuffer }, command.onSpawn)
}

/** Runs a call in a container of its own. */
export async function runInNewContainer(room: Room, call: DockerCall, waitsAhead: boolean): Promise<CommandResult<Buffer>> {
  const { place, argv, line, command, failed, maxBuffer } = call
  if (place.mode !== 'run') throw new TypeError('this call has a container already')
  const { stdin } = command
  const start = async (cut: AbortSignal): Promise<LiveProcess> => {
    const running = await runCommand(room, { place, argv, line, hasInput: stdin !== undefined, timeout: failed.timeout, signal: cut, waitsAhead })
    feed(running, stdin)
    return running
  }
  return watchLive(start, { signal: command.signal, maxBuffer }, command.onSpawn)
}

/** A stream that breaks ends the command: it would otherwise take what came for all there is. */
function feed(running: RunningCommand, stdin: DockerCall['command']['stdin']): void {
  if (stdin === undefined) return
  running.stdin.on('error', () => undefined)
  if (typeof stdin === 'string' || Buffer.isBuffer(stdin)) {
    running.stdin.end(stdin)
    return
  }
  stdin.on('error', () => { running.kill('SIGKILL') }).pipe(running.stdin)
}

/** Is it missing, so that a temporary one may take its place? */
export const isMissingContainer = (error: unknown): boolean => hasCode(error, 'ENOCONTAINER')
