import { nonEmptyText } from '../../options/checks'
import { shape } from '../../options/schema'
import { texts } from './container-spec'
import { inPath, json } from './api'
import { checkContainerName } from './reference'
import type { Room } from './room'
import { fields } from './shape-of'

const checkVolume = shape({ driver: nonEmptyText, driverOpts: texts, labels: texts })

export async function createVolume({ client, managementTimeout: timeout }: Room, name: string, options: unknown): Promise<void> {
  const { driver, driverOpts, labels } = options === undefined ? {} : checkVolume(options, '')
  const body = {
    Name: checkContainerName(name, 'name'),
    ...(driver === undefined ? {} : { Driver: driver }),
    ...(driverOpts === undefined ? {} : { DriverOpts: driverOpts }),
    ...(labels === undefined ? {} : { Labels: labels }),
  }
  await client.request('POST', '/volumes/create', { body, timeout })
}

export async function removeVolume({ client, managementTimeout: timeout }: Room, name: string, force: boolean): Promise<void> {
  await client.request('DELETE', `/volumes/${inPath(nonEmptyText(name, 'name'))}`, { query: { force }, timeout })
}

export async function listVolumes({ client, managementTimeout: timeout }: Room): Promise<string[]> {
  const found = fields(json(await client.request('GET', '/volumes', { timeout })))
  return found.list('Volumes').map((volume) => fields(volume).text('Name') ?? '').filter((name) => name !== '')
}
