import type { DockerResponse } from '../../types'

/** A name as a part of a path. Slashes stay: images have them. */
export const inPath = (name: string): string => name.split('/').map(encodeURIComponent).join('/')

/** What the API calls filters. */
export const filters = (values: Record<string, string[]>): string => JSON.stringify(values)

export function json(answer: DockerResponse): unknown {
  return JSON.parse(answer.body.toString('utf8'))
}
