import { checkContainer, containerBody } from './container-spec'
import { hasCode } from './daemon-error'
import { inPath, json } from './api'
import { pullImage } from './pull'
import type { Room } from './room'
import { fields } from './shape-of'
import type { StopContainerOptions } from './types'
import { integer, nonEmptyText, positiveDuration } from '../../options/checks'
import { shape } from '../../options/schema'

const at = (container: string, what = ''): string => `/containers/${inPath(container)}${what}`

export async function listContainers({ client, managementTimeout: timeout }: Room, all: boolean): Promise<string[]> {
  const found = json(await client.request('GET', '/containers/json', { query: { all }, timeout }))
  return Array.isArray(found) ? found.map((entry) => nameOf(entry)).filter((name) => name !== '') : []
}

/** The first of its names: others are those by which linked containers know it. */
const nameOf = (entry: unknown): string => (fields(entry).texts('Names')[0] ?? '').replace(/^\//, '')

/** Makes a container and returns its id. A missing image is pulled, as the CLI does. */
export async function createContainer(room: Room, options: unknown): Promise<{ id: string; name: string }> {
  const { name, pull = true, ...rest } = checkContainer(options)
  return { id: await createFrom(room, rest.image, containerBody(rest), { name, pull }), name }
}

export async function createFrom(
  room: Room, image: string, body: object, { name, pull, signal }: { name: string; pull: boolean; signal?: AbortSignal | undefined },
): Promise<string> {
  const { client, managementTimeout: timeout } = room
  const create = async (): Promise<string> => {
    const answer = await client.request('POST', '/containers/create', { query: { name }, body, timeout, signal })
    return fields(json(answer)).text('Id') ?? name
  }
  try {
    return await create()
  } catch (error) {
    if (!pull || !hasCode(error, 'ENOIMAGE')) throw error
    await pullImage(room, image, { ...(signal === undefined ? {} : { signal }) })
    return create()
  }
}

export async function startContainer({ client, managementTimeout: timeout }: Room, container: string, signal?: AbortSignal): Promise<void> {
  await client.request('POST', at(container, '/start'), { timeout, signal })
}

/** One that cannot be started goes again: its name would be in the way of the next attempt. */
export async function runContainer(room: Room, options: unknown): Promise<void> {
  const { id } = await createContainer(room, options)
  try {
    await startContainer(room, id)
  } catch (error) {
    await removeContainer(room, id, true).catch(() => undefined)
    throw error
  }
}

const checkStop = shape({ timeout: positiveDuration, signal: nonEmptyText })

/** How long the container may take comes on top of the time that the daemon has for its answer. */
export async function stopContainer(room: Room, container: string, options: StopContainerOptions | undefined, action: 'restart' | 'stop'): Promise<void> {
  const { timeout: grace, signal } = options === undefined ? {} : checkStop(options, '')
  const seconds = grace === undefined ? undefined : Math.ceil(grace / 1000)
  const timeout = room.managementTimeout === 0 ? 0 : room.managementTimeout + (grace ?? 10_000)
  await room.client.request('POST', at(container, `/${action}`), { query: { t: seconds, signal }, timeout })
}

export async function killContainer({ client, managementTimeout: timeout }: Room, container: string, signal: string): Promise<void> {
  await client.request('POST', at(container, '/kill'), { query: { signal: nonEmptyText(signal, 'signal') }, timeout })
}

/** `volumes`: those without a name go with it. */
export async function removeContainer(
  { client, managementTimeout: timeout }: Room, container: string, force: boolean, volumes = false,
): Promise<void> {
  try {
    await client.request('DELETE', at(container), { query: { force, v: volumes }, timeout })
  } catch (error) {
    // Somebody else does it already; when that is done, so is this.
    if (!hasCode(error, 'ECONFLICT') || !(error instanceof Error && error.message.includes('already in progress'))) throw error
    await client.request('POST', at(container, '/wait'), { query: { condition: 'removed' }, timeout }).catch((gone: unknown) => {
      if (!hasCode(gone, 'ENOCONTAINER')) throw gone
    })
  }
}

export async function inspectContainer({ client, managementTimeout: timeout }: Room, container: string): Promise<Record<string, unknown>> {
  return Object.fromEntries(fields(json(await client.request('GET', at(container, '/json'), { timeout }))).entries())
}

/** Waits until it runs no more and tells its exit code. */
export async function waitContainer({ client }: Room, container: string, timeout: number, signal?: AbortSignal): Promise<number> {
  const limit = integer(0, 2 ** 31 - 1)(timeout, 'timeout')
  const answer = await client.request('POST', at(container, '/wait'), { timeout: limit, signal })
  return fields(json(answer)).number('StatusCode') ?? 0
}
