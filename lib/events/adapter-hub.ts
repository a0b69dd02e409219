import { InvalidOptionError } from '../errors'
import { EventHub } from './hub'

/** What an event has to have; `adapter` may be one of several. */
export interface EventFilter {
  adapter?: string | string[]
  host?: string
  [key: string]: unknown
}

type Handler = (data: never) => void

interface Registration<Name> {
  event: string
  handler: Handler
  names: Name[]
  tap: (data: object) => void
}

/** Events that are one object each, with @xec-sh/core's ways to choose among them. */
export abstract class AdapterHub<M extends { [K in keyof M]: [object] }> extends EventHub<M> {
  /** All there are: `*` in a name stands for some of them. */
  protected abstract readonly names: readonly (keyof M & string)[]
  #registrations: Registration<keyof M & string>[] = []

  /** As `on`, for one event or, with `*` for any text, for several; only for those that have what `filter` says. */
  onFiltered(event: string, listener: Handler): this
  onFiltered(event: string, filter: EventFilter, listener: Handler): this
  onFiltered(event: string, filterOrListener: EventFilter | Handler, listener?: Handler): this {
    const [filter, handler] = typeof filterOrListener === 'function' ? [{}, filterOrListener] : [filterOrListener, listener]
    if (handler === undefined) throw new InvalidOptionError('listener', 'must be a function')
    const names = this.#named(event)
    const tap = (data: object): void => { if (matches(data, filter)) handler(data as never) }
    for (const name of names) this.on(name, tap)
    this.#registrations.push({ event, handler, names, tap })
    return this
  }

  /** Undoes one `onFiltered` with this event and this listener. */
  offFiltered(event: string, listener: Handler): this {
    const index = this.#registrations.findIndex((other) => other.event === event && other.handler === listener)
    const [registration] = index < 0 ? [] : this.#registrations.splice(index, 1)
    if (registration === undefined) return this
    for (const name of registration.names) this.off(name, registration.tap)
    return this
  }

  /** As `emit`, with what every event carries. */
  emitEnhanced<K extends keyof M & string>(event: K, data: Omit<M[K][0], 'timestamp' | 'adapter'>, adapter: string): boolean {
    return this.emit(event, ...[{ ...data, timestamp: new Date(), adapter }] as unknown as M[K])
  }

  #named(event: string): (keyof M & string)[] {
    const parts = event.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
    const pattern = new RegExp(`^${parts.join('.*')}$`)
    return this.names.filter((name) => pattern.test(name))
  }
}

function matches(data: object, filter: EventFilter): boolean {
  const has = data as Record<string, unknown>
  return Object.entries(filter).every(([key, wanted]) =>
    key === 'adapter' && Array.isArray(wanted) ? wanted.includes(has[key]) : has[key] === wanted)
}
