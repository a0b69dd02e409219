// What an API server answers about its objects.
import { once } from 'node:events'
import { readLog, logOptions } from './logs.mjs'
import { Refusal, badRequest } from './status.mjs'
import { KINDS, apiVersionOf } from './store.mjs'

/** How often the runtime is asked while somebody watches: it tells nothing by itself. */
const WATCH_TICK = 100
const LARGEST_BODY = 1024 * 1024

export async function answer(cluster, request, response, place, sendJson) {
  const { resource, subresource, verb } = place
  if (subresource === 'log' && verb === 'get') return sendLog(cluster, request, response, place)
  if (subresource !== undefined) throw new Refusal(404, 'the server could not find the requested resource')
  const work = { get, list, create, delete: remove }[verb]
  if (verb === 'watch') return watch(cluster, response, place)
  if (work === undefined) throw new Refusal(405, 'the server does not allow this method on the requested resource')
  const [code, body] = await work(cluster, place, verb === 'create' ? await bodyOf(request) : undefined)
  sendJson(response, code, { apiVersion: apiVersionOf(resource), ...body })
  return undefined
}

async function get({ store, pods }, { resource, namespace, name }) {
  const found = store.get(resource, namespace, name)
  return [200, resource === 'pods' ? await pods.refresh(found) : found]
}

async function list({ store, pods }, { resource, namespace, query }) {
  if (resource === 'pods') await pods.refreshAll()
  const items = store.list(resource, selection(namespace, query))
  const limit = Number(query.get('limit') ?? 0)
  const from = Number(query.get('continue') ?? 0)
  const page = limit > 0 ? items.slice(from, from + limit) : items
  const more = limit > 0 && from + limit < items.length
  const metadata = { resourceVersion: String(store.version), ...(more ? { continue: String(from + limit), remainingItemCount: items.length - from - limit } : {}) }
  return [200, { kind: `${KINDS[resource].kind}List`, metadata, items: page }]
}

async function create({ store, pods }, { resource, namespace }, body) {
  const metadata = { ...body.metadata, ...(namespace === undefined ? {} : { namespace }) }
  if (namespace !== undefined) store.get('namespaces', undefined, namespace)
  return [201, resource === 'pods' ? await pods.create({ ...body, metadata }) : store.add(resource, { ...body, metadata })]
}

async function remove({ store, pods }, { resource, namespace, name }) {
  return [200, resource === 'pods' ? await pods.remove(namespace, name) : store.remove(resource, namespace, name)]
}

const selection = (namespace, query) => ({ namespace, labelSelector: query.get('labelSelector'), fieldSelector: query.get('fieldSelector') })

function watch({ store, pods }, response, { resource, namespace, query }) {
  response.writeHead(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' })
  response.flushHeaders()
  const from = query.get('resourceVersion')
  const end = store.watch(resource, selection(namespace, query), from === null || from === '0' || from === '' ? undefined : from,
    (event) => response.write(`${JSON.stringify(event)}\n`))
  const asking = setInterval(() => { void pods.refreshAll() }, WATCH_TICK)
  const seconds = Number(query.get('timeoutSeconds') ?? 0)
  const limit = seconds > 0 ? setTimeout(() => response.end(), seconds * 1000) : undefined
  response.once('close', () => {
    end()
    clearInterval(asking)
    clearTimeout(limit)
  })
}

async function sendLog({ store, pods }, request, response, { namespace, name, query }) {
  const pod = store.get('pods', namespace, name)
  const options = logOptions(query)
  const log = pods.log(pod, query.get('container') ?? undefined, options.previous)
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  response.writeHead(200, { 'content-type': 'text/plain' })
  response.flushHeaders()
  for await (const piece of readLog(log, options, gone.signal)) {
    if (!response.write(piece)) await drained(response, gone.signal)
  }
  response.end()
}

/** Whoever is gone reads no more either. */
const drained = (response, signal) => once(response, 'drain', { signal }).catch((error) => { if (!signal.aborted) throw error })

async function bodyOf(request) {
  const chunks = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > LARGEST_BODY) throw badRequest('the body is too large')
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    throw badRequest('the body is no JSON')
  }
}
