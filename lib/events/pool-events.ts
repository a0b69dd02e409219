import type { EventRecord } from '../binding'
import { DIAGNOSTICS, type PoolTransport } from './diagnostics'
import { EventHub } from './hub'
import { EVENT_NAMES, type PoolEventName, type PoolEvents } from './names'
import { emitRecord } from './translate'

/** The part of the native pool that events need. */
export interface EventSource {
  watchEvents(wake: () => void): void
  setEventMask(mask: number): void
  drainEvents(): EventRecord[]
}

/**
 * Carries the engine's events to listeners and diagnostics channels: it asks the engine for exactly those somebody listens
 * to, and fetches them when the engine calls, or earlier, when a command ends.
 */
export abstract class PoolEventHub extends EventHub<PoolEvents> {
  readonly #diagnostics: (typeof DIAGNOSTICS)[PoolTransport]
  #mask = 0
  #listened = 0
  #watching = false

  constructor(transport: PoolTransport) {
    super()
    this.#diagnostics = DIAGNOSTICS[transport]
  }

  protected abstract get eventSource(): EventSource

  protected override listenersChanged(): void {
    this.#listened = EVENT_NAMES.reduce((bits, name, bit) => (this.listenerCount(name) > 0 ? bits | (1 << bit) : bits), 0)
    this.noticeSubscribers()
  }

  /** Called before anything is done: a diagnostics channel does not tell when somebody subscribes to it. */
  protected noticeSubscribers(): void {
    const mask = this.#listened | this.#diagnostics.subscribedEvents()
    if (mask === this.#mask) return
    this.#mask = mask
    if (!this.#watching) this.#watch()
    this.eventSource.setEventMask(mask)
  }

  /** Emits what has happened so far. Called before a command's promise settles, so that events come first. */
  protected deliverEvents(): void {
    if (this.#mask === 0) return
    for (const record of this.eventSource.drainEvents()) {
      emitRecord(record, (event, ...args) => {
        this.announce(event, ...args)
      })
    }
  }

  /** An event of our own, which the engine knows nothing of. */
  protected announce<K extends PoolEventName>(event: K, ...args: PoolEvents[K]): void {
    this.#diagnostics.publish({ event, args, pool: this })
    this.emitSafely(event, ...args)
  }

  #watch(): void {
    this.#watching = true
    // Weak: the native side keeps this callback, and the callback must not keep a forgotten pool.
    const self = new WeakRef(this)
    this.eventSource.watchEvents(() => { self.deref()?.deliverEvents() })
  }
}
