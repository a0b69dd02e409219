import { XecNativeError } from '../../errors'
import type { DockerResponse } from '../../types'

/** A name as a part of a path. Slashes stay: images have them. */
export const inPath = (name: string): string => name.split('/').map(encodeURIComponent).join('/')

/** What the API calls filters. */
export const filters = (values: Record<string, string[]>): string => JSON.stringify(values)

export function json(answer: DockerResponse): unknown {
  return parsed(answer.body.toString('utf8'))
}

/** What a daemon says is JSON, or it is no daemon. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new XecNativeError({ code: 'EPROTO', kind: 'unknown', phase: 'run', cause, message: 'The daemon broke the protocol: what it said is no JSON' })
  }
}
