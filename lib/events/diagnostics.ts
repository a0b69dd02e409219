import { channel } from 'node:diagnostics_channel'
import type { EventEmitter } from 'node:events'
import { EVENT_NAMES, type PoolEventName, type PoolEvents } from './names'

/** What a subscriber of the `node:diagnostics_channel` channels gets. */
export interface PoolDiagnostic<K extends PoolEventName = PoolEventName> {
  event: K
  /** As a listener of the event gets them. */
  args: PoolEvents[K]
  pool: EventEmitter
}

/** Whose connections a pool keeps. */
export type PoolTransport = 'ssh' | 'docker' | 'kubernetes'

type DiagnosticsChannel = ReturnType<typeof channel>

/** The channels of all pools of one transport: `xec.ssh.connection` and so on. */
class Diagnostics {
  readonly #connection: DiagnosticsChannel
  readonly #queue: DiagnosticsChannel
  readonly #pool: DiagnosticsChannel

  constructor(transport: PoolTransport) {
    this.#connection = channel(`xec.${transport}.connection`)
    this.#queue = channel(`xec.${transport}.queue`)
    this.#pool = channel(`xec.${transport}.pool`)
  }

  /** The mask of the events whose channel has a subscriber. Nearly always nobody: three looks, then. */
  subscribedEvents(): number {
    if (!this.#connection.hasSubscribers && !this.#queue.hasSubscribers && !this.#pool.hasSubscribers) return 0
    return EVENT_NAMES.reduce((bits, name, bit) => (this.#channelOf(name).hasSubscribers ? bits | (1 << bit) : bits), 0)
  }

  publish(message: PoolDiagnostic): void {
    const target = this.#channelOf(message.event)
    if (target.hasSubscribers) target.publish(message)
  }

  #channelOf(event: PoolEventName): DiagnosticsChannel {
    if (event.startsWith('connection:') || event === 'retire') return this.#connection
    return event === 'cleanup' || event === 'drain' ? this.#pool : this.#queue
  }
}

export const DIAGNOSTICS: Readonly<Record<PoolTransport, Diagnostics>> = {
  ssh: new Diagnostics('ssh'), docker: new Diagnostics('docker'), kubernetes: new Diagnostics('kubernetes'),
}
