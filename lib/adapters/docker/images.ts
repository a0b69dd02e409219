import { filters, inPath, json } from './api'
import { parseReference } from './reference'
import type { Room } from './room'
import { fields } from './shape-of'
import { InvalidOptionError } from '../../errors'
import { text } from '../../options/checks'

/** What podman puts before names that have no registry. */
const PREFIXES = ['', 'docker.io/library/', 'docker.io/', 'localhost/']

/** `repository:tag` of all that have one. `filter`: the beginning of a name, a pattern, or a filter of the API as `dangling=true`. */
export async function listImages({ client, managementTimeout: timeout }: Room, filter: string | undefined): Promise<string[]> {
  const query = isName(filter) ? {} : { filters: imageFilter(text(filter, 'filter')) }
  const found = json(await client.request('GET', '/images/json', { query, timeout }))
  const tags = Array.isArray(found) ? found.flatMap((image) => fields(image).texts('RepoTags')) : []
  const fits = (tag: string): boolean => filter === undefined || !isName(filter) || PREFIXES.some((prefix) => tag.startsWith(prefix + filter))
  return tags.filter((tag) => tag !== '<none>:<none>' && fits(tag))
}

/** The beginning of one, which is looked for here: the daemon's own pattern for it would end at the first slash. */
const isName = (filter: string | undefined): boolean => filter === undefined || !/[=*?[\\]/.test(filter)

function imageFilter(filter: string): string {
  const equals = filter.indexOf('=')
  return equals === -1 ? filters({ reference: [`${filter}*`] }) : filters({ [filter.slice(0, equals)]: [filter.slice(equals + 1)] })
}

export async function tagImage({ client, managementTimeout: timeout }: Room, source: string, target: string): Promise<void> {
  parseReference(source, 'source')
  const { repository, tag, digest } = parseReference(target, 'target')
  if (digest !== undefined) throw new InvalidOptionError('target', 'a digest cannot be given to an image')
  await client.request('POST', `/images/${inPath(source)}/tag`, { query: { repo: repository, tag }, timeout })
}

export async function removeImage({ client, managementTimeout: timeout }: Room, image: string, force: boolean): Promise<void> {
  parseReference(image)
  await client.request('DELETE', `/images/${inPath(image)}`, { query: { force }, timeout })
}
