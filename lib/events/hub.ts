import { EventEmitter } from 'node:events'

type Listener = (...args: unknown[]) => void

/** Event names and their listeners' arguments. */
type EventMap<M> = { [K in keyof M]: unknown[] }

/**
 * A typed EventEmitter that tells its subclass when the set of listeners has changed, so that what nobody listens to
 * costs nothing. The methods are overridden, rather than 'newListener' listened to, because `removeAllListeners()` would
 * take our own listener with it.
 */
export abstract class EventHub<M extends EventMap<M>> extends EventEmitter {
  protected abstract listenersChanged(): void

  override on<K extends keyof M & string>(event: K, listener: (...args: M[K]) => void): this {
    super.on(event, listener as Listener)
    return this.noted()
  }

  override addListener<K extends keyof M & string>(event: K, listener: (...args: M[K]) => void): this {
    return this.on(event, listener)
  }

  override prependListener<K extends keyof M & string>(event: K, listener: (...args: M[K]) => void): this {
    super.prependListener(event, listener as Listener)
    return this.noted()
  }

  override once<K extends keyof M & string>(event: K, listener: (...args: M[K]) => void): this {
    super.once(event, listener as Listener)
    return this.noted()
  }

  override prependOnceListener<K extends keyof M & string>(event: K, listener: (...args: M[K]) => void): this {
    super.prependOnceListener(event, listener as Listener)
    return this.noted()
  }

  override removeListener<K extends keyof M & string>(event: K, listener: (...args: M[K]) => void): this {
    super.removeListener(event, listener as Listener)
    return this.noted()
  }

  override off<K extends keyof M & string>(event: K, listener: (...args: M[K]) => void): this {
    return this.removeListener(event, listener)
  }

  override removeAllListeners(event?: keyof M & string): this {
    // Node tells "all events" from "the event named undefined" by the number of arguments.
    if (event === undefined) super.removeAllListeners()
    else super.removeAllListeners(event)
    return this.noted()
  }

  override emit<K extends keyof M & string>(event: K, ...args: M[K]): boolean {
    return super.emit(event, ...(args as unknown[]))
  }

  override listenerCount(event: keyof M & string): number {
    return super.listenerCount(event)
  }

  /**
   * Emits, and keeps a throwing listener's error from the emitter: the pool must go on, and the remaining events must
   * arrive. The error surfaces as an uncaught exception a moment later, as an error in any other callback does.
   */
  protected emitSafely<K extends keyof M & string>(event: K, ...args: M[K]): void {
    try {
      this.emit(event, ...args)
    } catch (error) {
      process.nextTick(() => {
        throw error
      })
    }
  }

  private noted(): this {
    this.listenersChanged()
    return this
  }
}
