import { EventEmitter } from 'node:events'
import { SSHAdapter } from '../adapters/ssh/adapter'
import { InvalidUsageError } from '../errors'
import { checkHealthLimit, checkKeepAlive, parseAddress } from '../options'
import type { SSHTarget } from '../types'
import type { EngineLike, ProcessPromise, SSHExecutionContext } from './core'

/** Those of core's methods that give another context. */
const DERIVING = ['env', 'cd', 'timeout', 'shell', 'retry'] as const

/** Core's `$.ssh(...)`, and the connection's own methods that its documents show. */
export interface SSHContext extends Omit<SSHExecutionContext, typeof DERIVING[number]> {
  (strings: TemplateStringsArray, ...values: unknown[]): ProcessPromise
  /** Resolves with this context when a connection is open and has logged in. It stays in the pool. */
  connect(): Promise<SSHContext>
  /** Takes the target's connections out of the pool, its other users' too; what runs on them ends first. A later command opens a new one. */
  disconnect(): Promise<void>
  /** The same as `disconnect`. */
  close(): Promise<void>
  /** Leaves a connection, which is closed once nobody uses it, for a new one. */
  reconnect(): Promise<void>
  /** Does the server answer within `timeout` (5_000) milliseconds, connecting included? Never rejects for what the server does. */
  isHealthy(options?: { timeout?: number }): Promise<boolean>
  /** Asks the server for a sign of life every `interval` (30_000) milliseconds, until `setKeepAlive(false)`, `disconnect()` or the engine's `dispose()`. Keeps no process alive. */
  setKeepAlive(on: boolean, interval?: number): void
  /** Called after each `connect()` and `reconnect()`, and soon, where it is connected already. */
  on(event: 'ready', listener: () => void): SSHContext
  once(event: 'ready', listener: () => void): SSHContext
  off(event: 'ready', listener: () => void): SSHContext
  env(variables: Record<string, string>): SSHContext
  cd(directory: string): SSHContext
  timeout(milliseconds: number): SSHContext
  shell(shell: string | boolean): SSHContext
  retry(options: Parameters<SSHExecutionContext['retry']>[0]): SSHContext
}

/** Core's `$.ssh`, which takes 'user@host:port' as well. */
export type SSHDoor = (target: SSHTarget | string) => SSHContext

type AnyFunction = (...values: readonly unknown[]) => unknown

export function sshDoor(engine: EngineLike, ssh: AnyFunction): SSHDoor {
  return (target) => {
    const options = typeof target === 'string' ? parseAddress(target) : target
    const contact = new Contact(engine, options)
    return withContact(ssh.call(engine, options) as SSHExecutionContext, contact)
  }
}

function withContact(context: SSHExecutionContext, contact: Contact): SSHContext {
  const derived = Object.fromEntries(DERIVING.map((name) => {
    const cores = Reflect.get(context, name) as AnyFunction
    return [name, (...values: unknown[]): SSHContext => withContact(cores(...values) as SSHExecutionContext, contact)]
  }))
  const extended = Object.assign(context, derived, {
    connect: async () => {
      await contact.connect()
      return extended
    },
    disconnect: () => contact.disconnect(),
    close: () => contact.disconnect(),
    reconnect: () => contact.reconnect(),
    isHealthy: (options?: { timeout?: number }) => contact.isHealthy(options),
    setKeepAlive: (on: boolean, interval?: number) => { contact.setKeepAlive(on, interval) },
    on: (event: 'ready', listener: () => void) => {
      contact.listen(event, listener)
      return extended
    },
    once: (event: 'ready', listener: () => void) => {
      contact.listen(event, listener, true)
      return extended
    },
    off: (event: 'ready', listener: () => void) => {
      contact.events.off(event, listener)
      return extended
    },
  }) as unknown as SSHContext
  return extended
}

/**
 * What a context knows of its connection. It holds none between its commands: one that it held would be missing to them
 * where the pool has but one.
 */
class Contact {
  readonly events = new EventEmitter()
  readonly #engine: EngineLike
  readonly #target: SSHTarget
  #connected = false
  #pings: NodeJS.Timeout | undefined

  constructor(engine: EngineLike, target: SSHTarget) {
    this.#engine = engine
    this.#target = target
  }

  async connect(): Promise<void> {
    await this.#adapter.withConnection(this.#target, () => undefined)
    this.#ready()
  }

  async reconnect(): Promise<void> {
    await this.#adapter.withConnection(this.#target, (connection) => connection.reconnect())
    this.#ready()
  }

  async disconnect(): Promise<void> {
    this.#connected = false
    this.setKeepAlive(false)
    await this.#adapter.removeConnection(this.#target)
  }

  async isHealthy(options?: { timeout?: number }): Promise<boolean> {
    const timeout = checkHealthLimit(options)
    try {
      return await this.#adapter.withConnection(this.#target, (connection) => connection.isHealthy({ timeout }), { timeout })
    } catch (error) {
      // A wrong option is the caller's business; all else means that it is not.
      if (error instanceof Error && 'kind' in error && error.kind === 'invalid-usage') throw error
      return false
    }
  }

  setKeepAlive(on: boolean, interval?: number): void {
    const every = checkKeepAlive(on, interval)
    clearInterval(this.#pings)
    this.#pings = undefined
    if (every === undefined) return
    let asked = false
    this.#pings = setInterval(() => {
      if (asked) return
      asked = true
      // What does not answer is told by the pool's own events, and the next command has a new connection. Without an adapter there is
      // nobody to ask any more.
      this.isHealthy({ timeout: every }).then(() => { asked = false }, () => { this.setKeepAlive(false) })
    }, every).unref()
  }

  listen(event: 'ready', listener: () => void, once = false): void {
    if (this.#connected) {
      queueMicrotask(listener)
      if (once) return
    }
    if (once) this.events.once(event, listener)
    else this.events.on(event, listener)
  }

  #ready(): void {
    this.#connected = true
    this.events.emit('ready')
  }

  get #adapter(): SSHAdapter {
    const adapter = this.#engine.getAdapter('ssh')
    if (adapter instanceof SSHAdapter) return adapter
    throw new InvalidUsageError({
      code: 'ENOADAPTER', kind: 'invalid-usage', reached: false, host: this.#target.host,
      message: "The engine's ssh adapter is not one of @xec-sh/native: it was disposed of, or another one registered",
    })
  }
}
