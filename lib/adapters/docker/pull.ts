import { checkTransfer } from './transfer-options'
import { registryHeader } from './credentials'
import { withDeadline } from './deadline'
import { inPath } from './api'
import { follow, progressOf } from './progress'
import { parseReference } from './reference'
import type { Room } from './room'
import type { DockerRegistryOptions } from './types'

const REFUSED = { code: 'EDOCKER', kind: 'unknown' } as const

export async function pullImage(room: Room, image: string, options?: DockerRegistryOptions): Promise<void> {
  const { repository, tag, digest, registry } = parseReference(image)
  await transfer(room, `Pulling ${image}`, registry, options, {
    path: '/images/create', query: { fromImage: repository, tag: digest ?? tag, platform: options?.platform },
  })
}

export async function pushImage(room: Room, image: string, options?: DockerRegistryOptions): Promise<void> {
  const { repository, tag, registry } = parseReference(image)
  await transfer(room, `Pushing ${image}`, registry, options, { path: `/images/${inPath(repository)}/push`, query: { tag } })
}

async function transfer(
  room: Room, what: string, registry: string, options: DockerRegistryOptions | undefined,
  call: { path: string; query: Record<string, string | undefined> },
): Promise<void> {
  const { timeout = room.transferTimeout, signal, onProgress, auth } = checkTransfer(options)
  const host = room.client.host
  const headers = { 'x-registry-auth': await registryHeader(registry, auth) }
  await withDeadline({ what, host, timeout, signal }, async (cut) => {
    const exchange = cut.closes(room.client.exchange('POST', call.path, { query: call.query, headers, timeout, signal }))
    await exchange.head
    await follow(exchange, {
      host, otherwise: REFUSED,
      onMessage: (message) => {
        const progress = progressOf(message)
        if (progress !== undefined) onProgress?.(progress)
      },
    })
  })
}
