import { readdirSync, readlinkSync } from 'node:fs'
import { Dockerd, type PrivateEngine } from '../support/dockerd'
import { Podman } from '../support/podman'

/** The two implementations of the API that every suite meets. */
export const ENGINES: [name: string, start: () => Promise<PrivateEngine>][] = [
  ['dockerd', () => Dockerd.start()],
  ['podman', () => Podman.start()],
]

/**
 * Sockets that this process has open. The daemon's side says nothing: dockerd only ends its direction of a line that was taken over,
 * and closes it when its garbage is collected.
 */
export function openSockets(): number {
  return readdirSync('/proc/self/fd').filter((descriptor) => targetOf(descriptor).startsWith('socket:')).length
}

function targetOf(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`)
  } catch {
    // The one that this folder was read by.
    return ''
  }
}

/** Waits until a question that has to be asked is answered by yes. */
export async function eventually(what: string, so: () => Promise<boolean>, limit = 20_000): Promise<void> {
  const deadline = performance.now() + limit
  while (!await so()) {
    if (performance.now() > deadline) throw new Error(`not within ${limit} ms: ${what}`)
  }
}

/** No process in a container has this word on its command line. */
export async function gone(engine: PrivateEngine, container: string, word: string): Promise<void> {
  await eventually(`no ${word} in the container`, async () =>
    !(await engine.processes(container)).some(({ command }) => command.some((part) => part.includes(word))))
}

/** A process in a container has this word on its command line. */
export async function there(engine: PrivateEngine, container: string, word: string): Promise<void> {
  await eventually(`${word} runs in the container`, async () =>
    (await engine.processes(container)).some(({ command }) => command.some((part) => part.includes(word))))
}
