// The objects of a cluster, and who watches them.
import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { Refusal, notFound } from './status.mjs'
import { matchesFields, matchesLabels } from './selectors.mjs'

/** Events kept for watchers that come from an earlier version. */
const HISTORY = 2000

/** resource → what its objects are called, and of which group. */
export const KINDS = {
  namespaces: { kind: 'Namespace', group: '', namespaced: false, short: ['ns'] },
  pods: { kind: 'Pod', group: '', namespaced: true, short: ['po'] },
  services: { kind: 'Service', group: '', namespaced: true, short: ['svc'] },
  deployments: { kind: 'Deployment', group: 'apps', namespaced: true, short: ['deploy'] },
}

export const apiVersionOf = (resource) => (KINDS[resource].group === '' ? 'v1' : `${KINDS[resource].group}/v1`)

export class Store {
  version = 1
  #objects = new Map()
  #events = new EventEmitter().setMaxListeners(0)
  #history = []

  add(resource, object) {
    const { name, namespace } = object.metadata
    if (this.#objects.has(keyOf(resource, namespace, name))) throw new Refusal(409, `${resource} "${name}" already exists`, { name, kind: resource })
    const full = {
      apiVersion: apiVersionOf(resource), kind: KINDS[resource].kind, ...object,
      metadata: { uid: randomUUID(), creationTimestamp: now(), ...object.metadata },
    }
    return this.#changed('ADDED', resource, full)
  }

  find(resource, namespace, name) {
    return this.#objects.get(keyOf(resource, namespace, name))
  }

  get(resource, namespace, name) {
    const found = this.find(resource, namespace, name)
    if (found === undefined) throw notFound(resource, name)
    return found
  }

  list(resource, { namespace, labelSelector, fieldSelector } = {}) {
    const all = [...this.#objects].filter(([key]) => key.startsWith(`${resource}/`)).map(([, object]) => object)
    return all.filter(chosenBy({ namespace, labelSelector, fieldSelector }))
  }

  /** Replaces an object by a changed copy. */
  update(resource, object) {
    if (this.find(resource, object.metadata.namespace, object.metadata.name) === undefined) return undefined
    return this.#changed('MODIFIED', resource, object)
  }

  remove(resource, namespace, name) {
    const object = this.get(resource, namespace, name)
    this.#objects.delete(keyOf(resource, namespace, name))
    return this.#tell('DELETED', resource, object)
  }

  /** Calls with `{ type, object }` for everything after `from`; without it, beginning with what is there. Returns what ends it. */
  watch(resource, query, from, listener) {
    const chosen = chosenBy(query)
    const tell = (event) => { if (event.resource === resource && event.version > since && chosen(event.object)) listener({ type: event.type, object: event.object }) }
    const since = from === undefined ? this.version : Number(from)
    if (from === undefined) for (const object of this.list(resource, query)) listener({ type: 'ADDED', object })
    else this.#history.forEach(tell)
    this.#events.on('change', tell)
    return () => this.#events.off('change', tell)
  }

  #changed(type, resource, object) {
    const { namespace, name } = object.metadata
    const told = this.#tell(type, resource, object)
    this.#objects.set(keyOf(resource, namespace, name), told)
    return told
  }

  #tell(type, resource, object) {
    this.version += 1
    const told = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.version) } }
    const event = { type, resource, object: told, version: this.version }
    this.#history.push(event)
    if (this.#history.length > HISTORY) this.#history.shift()
    this.#events.emit('change', event)
    return told
  }
}

const keyOf = (resource, namespace = '', name) => `${resource}/${namespace}/${name}`

/** As Kubernetes has it: without a fraction. */
export const now = () => new Date().toISOString().replace(/\.\d+Z$/, 'Z')

function chosenBy({ namespace, labelSelector, fieldSelector }) {
  return (object) => (namespace === undefined || object.metadata.namespace === namespace)
    && matchesLabels(labelSelector, object.metadata.labels ?? {}) && matchesFields(fieldSelector, object)
}
