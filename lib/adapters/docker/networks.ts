import { boolean, nonEmptyText } from '../../options/checks'
import { shape } from '../../options/schema'
import { hasCode } from './daemon-error'
import { inPath, json } from './api'
import { checkContainerName } from './reference'
import type { Room } from './room'
import { fields } from './shape-of'

const checkNetwork = shape({
  driver: nonEmptyText, subnet: nonEmptyText, gateway: nonEmptyText, ipRange: nonEmptyText, attachable: boolean, internal: boolean,
})

/** Does nothing where there is one of that name already. */
export async function createNetwork({ client, managementTimeout: timeout }: Room, name: string, options: unknown): Promise<void> {
  const { driver, subnet, gateway, ipRange, attachable, internal } = options === undefined ? {} : checkNetwork(options, '')
  const addresses = { ...(subnet === undefined ? {} : { Subnet: subnet }), ...(gateway === undefined ? {} : { Gateway: gateway }), ...(ipRange === undefined ? {} : { IPRange: ipRange }) }
  const body = {
    Name: checkContainerName(name, 'name'),
    // Without it old daemons make a second network of the same name.
    CheckDuplicate: true,
    ...(driver === undefined ? {} : { Driver: driver }),
    ...(attachable === undefined ? {} : { Attachable: attachable }),
    ...(internal === undefined ? {} : { Internal: internal }),
    ...(Object.keys(addresses).length === 0 ? {} : { IPAM: { Config: [addresses] } }),
  }
  try {
    await client.request('POST', '/networks/create', { body, timeout })
  } catch (error) {
    if (hasCode(error, 'ECONFLICT') || (error instanceof Error && /already (exists|used)/.test(error.message))) return
    throw error
  }
}

export async function removeNetwork({ client, managementTimeout: timeout }: Room, name: string): Promise<void> {
  await client.request('DELETE', `/networks/${inPath(nonEmptyText(name, 'name'))}`, { timeout })
}

export async function listNetworks({ client, managementTimeout: timeout }: Room): Promise<string[]> {
  const found = json(await client.request('GET', '/networks', { timeout }))
  return Array.isArray(found) ? found.map((network) => fields(network).text('Name') ?? '').filter((name) => name !== '') : []
}
