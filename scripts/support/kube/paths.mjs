// An API server's addresses.
import { KINDS } from './store.mjs'

const VERBS = { GET: 'get', HEAD: 'get', POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }

/** `{ resource, namespace?, name?, subresource?, query, verb }`, or undefined where there is nothing. */
export function parsePath(method, url) {
  const { pathname, searchParams: query } = new URL(url, 'https://server')
  const parts = pathname.split('/').filter((part) => part !== '').map(decodeURIComponent)
  const group = groupOf(parts)
  if (group === undefined) return undefined
  const found = place(group.rest)
  if (found === undefined || KINDS[found.resource]?.group !== group.name) return undefined
  return { ...found, query, verb: verbOf(method, found, query) }
}

function groupOf([root, name, version, ...rest]) {
  if (root === 'api' && name === 'v1') return { name: '', rest: [version, ...rest].filter((part) => part !== undefined) }
  return root === 'apis' && version === 'v1' ? { name, rest } : undefined
}

function place([first, second, ...rest]) {
  if (first !== 'namespaces') return first === undefined ? undefined : { resource: first, ...(second === undefined ? {} : { name: second }) }
  if (rest.length === 0) return { resource: 'namespaces', ...(second === undefined ? {} : { name: second }) }
  const [resource, name, subresource] = rest
  return { resource, namespace: second, ...(name === undefined ? {} : { name }), ...(subresource === undefined ? {} : { subresource }) }
}

function verbOf(method, { name }, query) {
  const verb = VERBS[method]
  if (verb !== 'get' || name !== undefined) return verb
  return ['1', 'true'].includes(query.get('watch')) ? 'watch' : 'list'
}
