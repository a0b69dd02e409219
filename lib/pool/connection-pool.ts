import type { NativePoolControls, PoolSettings } from '../binding'
import { type EventSource, PoolEventHub, type PoolTransport } from '../events'
import { checkDrainOptions } from '../options'
import type { ConnectionInfo, PoolMetrics, PoolStats } from '../types'
import { Meter } from './meter'
import { connectionInfo } from './stats'

/** What is the same for every pool, whatever it connects to: figures, events and closing. */
export abstract class ConnectionPool extends PoolEventHub implements AsyncDisposable {
  readonly #controls: NativePoolControls
  readonly #meter: Meter

  protected constructor(transport: PoolTransport, controls: NativePoolControls, settings: PoolSettings) {
    super(transport)
    this.#controls = controls
    this.#meter = new Meter(controls, settings)
  }

  /** The figures since the pool was made. */
  getStats(): PoolStats {
    return this.#meter.stats()
  }

  /** The figures since the last `resetMetrics()`, and how long things took. */
  getMetrics(): PoolMetrics {
    return this.#meter.metrics()
  }

  resetMetrics(): void {
    this.#meter.reset()
  }

  getConnections(): ConnectionInfo[] {
    return this.#controls.connections().map(connectionInfo)
  }

  /** Closes the connections that run nothing; resolves with how many those were. */
  closeIdleConnections(): Promise<number> {
    return this.perform(() => this.#controls.closeIdle())
  }

  /**
   * Refuses new commands, lets the others end, and closes every connection; after `timeout` milliseconds (30_000, 0 = no
   * limit) it cuts what is left. Resolves with whether nothing had to be cut. The pool can be used again afterwards.
   */
  drain(options?: { timeout?: number }): Promise<boolean> {
    return this.perform(() => {
      const { timeout = 30_000 } = checkDrainOptions(options)
      return this.#closing(() => this.#controls.drain(timeout === 0 ? undefined : timeout))
    })
  }

  /** Closes every connection, running commands included. The pool can be used again afterwards. */
  closeAll(): Promise<void> {
    return this.perform(() => this.#closing(() => this.#controls.closeAll()))
  }

  /** Closes every connection for good: later commands are refused with EPOOLCLOSED. */
  async dispose(): Promise<void> {
    await this.perform(() => this.#closing(() => this.#controls.dispose()))
    this.disposed()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  protected override get eventSource(): EventSource {
    return this.#controls
  }

  /** What has to end before the connections do. Where that takes no time nothing is returned, and the closing begins with the call. */
  protected abstract beforeClosing(): Promise<void> | undefined

  /** For the shared pool, which is shared: one part of a program closing it must not disable it for the others. */
  protected abstract disposed(): void

  /** What happens meanwhile is emitted before the promise settles. */
  protected async perform<R>(work: () => Promise<R>): Promise<R> {
    this.noticeSubscribers()
    try {
      return await work()
    } finally {
      this.deliverEvents()
    }
  }

  /** A command has run to its end. */
  protected countCommand(): void {
    this.#meter.countCommand()
  }

  #closing<R>(close: () => Promise<R>): Promise<R> {
    const before = this.beforeClosing()
    return before === undefined ? close() : before.then(close)
  }
}
