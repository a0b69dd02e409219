import type { KubernetesContext } from '../../kube'
import type { CommandResult } from '../../types'
import { type LiveProcess, isLive, watchLive } from '../ssh/live'
import type { KubernetesCall } from './call'
import { type PodRef, refOf } from './workload'

/** Runs a call in the pod it names. */
export async function execInPod(client: KubernetesContext, call: KubernetesCall): Promise<CommandResult<Buffer>> {
  const { place: { container, cwd, env, tty }, program, command, failed, maxBuffer } = call
  const { stdin, signal } = command
  const pod: PodRef = await refOf(client, call.place.subject, { timeout: failed.timeout, signal })
  const entering = {
    ...(container === undefined ? {} : { container }), ...(cwd === undefined ? {} : { cwd }), env, ...(tty ? { pty: true } : {}), timeout: failed.timeout,
  }
  // A terminal whose input is closed hangs up before the command has said anything: nobody types, but the line stays open.
  const quiet = tty && stdin === undefined
  if (!isLive(call) && !quiet) {
    return client.exec(pod, program, {
      ...entering, encoding: 'buffer', collectAll: true, maxBuffer,
      ...(stdin === undefined ? {} : { stdin }), ...(signal === undefined ? {} : { signal }),
    })
  }
  const start = (cut: AbortSignal): LiveProcess =>
    client.spawn(pod, program, { ...entering, ...(quiet ? {} : { stdin: stdin ?? '' }), signal: cut })
  return watchLive(start, { timeout: failed.timeout, signal, maxBuffer }, call)
}
