import type { ApiSpec } from '../binding'
import { InvalidOptionError } from '../errors'
import { nonEmptyText } from '../options/checks'
import type { DockerRequestOptions } from '../types'

/** A request in the engine's words. */
export function apiSpec(method: string, path: string, options: Omit<DockerRequestOptions, 'signal'>): ApiSpec {
  const { query = {}, headers = {}, body, timeout } = options
  const raw = body === undefined || typeof body === 'string' || Buffer.isBuffer(body)
  return {
    method: nonEmptyText(method, 'method'),
    path: nonEmptyText(path, 'path'),
    query: Object.entries(query).filter(([, value]) => value !== undefined).map(([name, value]) => [name, queryText(value)]),
    headers: { ...(raw ? {} : { 'content-type': 'application/json' }), ...checkedHeaders(headers) },
    body: raw ? body : JSON.stringify(body),
    timeout,
  }
}

/** As the Engine API wants it: flags as true and false, filters as JSON. */
function queryText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function checkedHeaders(headers: Record<string, string>): Record<string, string> {
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string' || /[\r\n\0]/.test(value)) throw new InvalidOptionError(`headers.${name}`, 'expected one line of text')
  }
  return headers
}
