import type { PoolEventInfo, PoolEventName, PoolEvents } from '../../events'
import type { SSHConnectionPool } from '../../pool'
import { type ConnectionPoolMetrics, connectionPoolMetrics } from './metrics'

interface AdapterEvent {
  timestamp: Date
  adapter: string
}

interface TunnelPlace {
  localPort: number
  remoteHost: string
  remotePort: number
}

/** @xec-sh/core's SSH events; each listener gets one object. */
export interface SSHAdapterEvents {
  'ssh:connect': [AdapterEvent & { host: string; port: number; username: string }]
  'ssh:disconnect': [AdapterEvent & { host: string; reason: string }]
  /** A command is handed to the pool. */
  'ssh:execute': [AdapterEvent & { host: string; command: string }]
  /** An attempt after a lost connection or a failed attempt is over. */
  'ssh:reconnect': [AdapterEvent & { host: string; attempts: number; success: boolean }]
  'ssh:pool-metrics': [AdapterEvent & { metrics: ConnectionPoolMetrics }]
  'ssh:pool-cleanup': [AdapterEvent & { cleaned: number; remaining: number }]
  'connection:open': [AdapterEvent & { host: string; port: number; type: 'ssh'; metadata: { username: string } }]
  'ssh:tunnel-created': [AdapterEvent & TunnelPlace]
  'ssh:tunnel-closed': [AdapterEvent & TunnelPlace]
  'tunnel:created': [AdapterEvent & TunnelPlace & { type: 'ssh' }]
  'connection:close': [AdapterEvent & { host: string; port: number; type: 'ssh'; reason: string }]
}

export type SSHAdapterEventName = keyof SSHAdapterEvents

/** All of them, each once: the compiler misses none. */
export const SSH_EVENTS = Object.keys({
  'ssh:connect': 0, 'ssh:disconnect': 0, 'ssh:execute': 0, 'ssh:reconnect': 0, 'ssh:pool-metrics': 0, 'ssh:pool-cleanup': 0,
  'connection:open': 0, 'ssh:tunnel-created': 0, 'ssh:tunnel-closed': 0, 'tunnel:created': 0, 'connection:close': 0,
} satisfies Record<SSHAdapterEventName, 0>) as SSHAdapterEventName[]

export interface AdapterEmitter {
  listenerCount(event: SSHAdapterEventName): number
  announce<K extends SSHAdapterEventName>(event: K, ...args: SSHAdapterEvents[K]): void
}

/** What every event object carries. */
export function stamp(): AdapterEvent {
  return { timestamp: new Date(), adapter: 'ssh' }
}

/** One of the pool's events, and the adapter's events that are made from it. */
interface Subscription {
  feeds: readonly SSHAdapterEventName[]
  active: boolean
  start(): void
  stop(): void
}

/** Translates a pool's events for an adapter, and listens to no more of them than the adapter's listeners need. */
export class EventBridge {
  readonly #pool: SSHConnectionPool
  readonly #emitter: AdapterEmitter
  /** Attempts so far, by login. */
  readonly #attempts = new Map<string, number>()
  readonly #subscriptions: readonly Subscription[]

  constructor(pool: SSHConnectionPool, emitter: AdapterEmitter) {
    this.#pool = pool
    this.#emitter = emitter
    this.#subscriptions = [
      this.#subscription('connection:created', ['ssh:connect', 'connection:open', 'ssh:pool-metrics'],
        (host, _duration, info) => { this.#created(host, info) }),
      this.#subscription('connection:reused', ['ssh:pool-metrics'], () => { this.#announceMetrics() }),
      this.#subscription('connection:closed', ['ssh:disconnect', 'connection:close'],
        (host, reason, info) => { this.#closed(host, reason, info) }),
      this.#subscription('connection:reconnecting', ['ssh:reconnect'],
        (_host, attempt, info) => { this.#attempts.set(loginOf(info), attempt) }),
      this.#subscription('connection:reconnected', ['ssh:reconnect'], (_host, info) => { this.#reconnected(info, true) }),
      this.#subscription('connection:failed', ['ssh:reconnect'],
        (_host, _error, info) => { this.#reconnected(info, false) }),
      this.#subscription('cleanup', ['ssh:pool-cleanup'],
        (cleaned, remaining) => { emitter.announce('ssh:pool-cleanup', { ...stamp(), cleaned, remaining }) }),
    ]
  }

  /** Starts and stops listening to the pool as the adapter's listeners come and go. */
  update(): void {
    for (const subscription of this.#subscriptions) {
      const wanted = subscription.feeds.some((event) => this.#emitter.listenerCount(event) > 0)
      if (wanted === subscription.active) continue
      subscription.active = wanted
      if (wanted) subscription.start()
      else subscription.stop()
    }
  }

  #subscription<K extends PoolEventName>(
    name: K, feeds: readonly SSHAdapterEventName[], handler: (...args: PoolEvents[K]) => void,
  ): Subscription {
    const pool = this.#pool
    return { feeds, active: false, start: () => { pool.on(name, handler) }, stop: () => { pool.off(name, handler) } }
  }

  #created(host: string, { port, username }: PoolEventInfo): void {
    const emitter = this.#emitter
    emitter.announce('ssh:connect', { ...stamp(), host, port, username })
    emitter.announce('connection:open', { ...stamp(), host, port, type: 'ssh', metadata: { username } })
    this.#announceMetrics()
  }

  /** A first connection that fails was no attempt to reconnect, so nothing is known about it here. */
  #reconnected(info: PoolEventInfo, success: boolean): void {
    const attempts = this.#attempts.get(loginOf(info))
    if (attempts === undefined) return
    if (success) this.#attempts.delete(loginOf(info))
    this.#emitter.announce('ssh:reconnect', { ...stamp(), host: info.host, attempts, success })
  }

  #closed(host: string, reason: string, { port }: PoolEventInfo): void {
    this.#emitter.announce('ssh:disconnect', { ...stamp(), host, reason })
    this.#emitter.announce('connection:close', { ...stamp(), host, port, type: 'ssh', reason })
  }

  #announceMetrics(): void {
    if (this.#emitter.listenerCount('ssh:pool-metrics') === 0) return
    this.#emitter.announce('ssh:pool-metrics', { ...stamp(), metrics: connectionPoolMetrics(this.#pool.getStats()) })
  }
}

function loginOf({ username, host, port }: PoolEventInfo): string {
  return `${username}@${host}:${port}`
}
