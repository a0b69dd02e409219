import type { DockerAutoCreateOptions } from './config'
import { createFrom, removeContainer, startContainer } from './containers'
import { newName } from './command'
import type { Room } from './room'

/** Containers that stand for missing ones, one for each name, until the adapter is disposed of. */
export class TemporaryContainers {
  readonly #byName = new Map<string, { container: Promise<string>; autoRemove: boolean }>()

  get isEmpty(): boolean {
    return this.#byName.size === 0
  }

  /** Two commands at once get the same one. */
  for(name: string, room: Room, { image, volumes, autoRemove }: Required<Omit<DockerAutoCreateOptions, 'enabled' | 'volumes'>> & Pick<DockerAutoCreateOptions, 'volumes'>): Promise<string> {
    const known = this.#byName.get(name)
    if (known !== undefined) return known.container
    const container = makeTemporary(room, image, volumes)
    this.#byName.set(name, { container, autoRemove })
    container.catch(() => { this.#byName.delete(name) })
    return container
  }

  async removeAll(room: Room, announce: (container: string, success: boolean) => void): Promise<void> {
    const all = [...this.#byName.values()]
    this.#byName.clear()
    await Promise.all(all.filter(({ autoRemove }) => autoRemove).map(async (made) => {
      const container = await made.container.catch(() => undefined)
      if (container === undefined) return
      const removed = await removeContainer(room, container, true, true).then(() => true, () => false)
      announce(container, removed)
    }))
  }
}

async function makeTemporary(room: Room, image: string, volumes: string[] | undefined): Promise<string> {
  const name = newName(image)
  // A shell that waits for input nobody gives: it lasts as long as the container.
  const body = { Image: image, Entrypoint: ['sh'], OpenStdin: true, StopSignal: 'SIGKILL', HostConfig: volumes === undefined ? {} : { Binds: volumes } }
  const id = await createFrom(room, image, body, { name, pull: true })
  try {
    await startContainer(room, id)
  } catch (error) {
    await removeContainer(room, id, true).catch(() => undefined)
    throw error
  }
  return name
}
