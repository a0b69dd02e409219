/** What a shutdown needs of a pool. */
export interface ClosablePool {
  drain(options?: { timeout?: number }): Promise<unknown>
  closeAll(): Promise<unknown>
}

/** One call of `installShutdownHandlers`. */
export interface Registration {
  readonly signals: readonly NodeJS.Signals[]
  /** Asked when the signal comes, so that pools made later count too. */
  readonly pools: () => readonly ClosablePool[]
  readonly timeout: number
  readonly exit: boolean | undefined
}

/**
 * Who is to be told of which signal. However many registrations there are, there is one listener per signal and one for
 * 'exit', and none when the last registration has gone.
 */
export class Registry {
  readonly #registrations = new Set<Registration>()
  readonly #listening = new Set<NodeJS.Signals>()

  constructor(
    readonly onSignal: (signal: NodeJS.Signals) => void,
    readonly onExit: () => void,
  ) {}

  add(registration: Registration): void {
    if (this.#registrations.size === 0) process.on('exit', this.onExit)
    this.#registrations.add(registration)
    for (const signal of registration.signals) this.#listen(signal)
  }

  remove(registration: Registration): void {
    if (!this.#registrations.delete(registration)) return
    for (const signal of registration.signals) {
      if (this.for(signal).length === 0) this.stopListening(signal)
    }
    if (this.#registrations.size === 0) process.removeListener('exit', this.onExit)
  }

  for(signal: NodeJS.Signals): Registration[] {
    return this.all().filter((registration) => registration.signals.includes(signal))
  }

  all(): Registration[] {
    return [...this.#registrations]
  }

  stopListening(signal: NodeJS.Signals): void {
    this.#listening.delete(signal)
    process.removeListener(signal, this.onSignal)
  }

  #listen(signal: NodeJS.Signals): void {
    if (this.#listening.has(signal)) return
    this.#listening.add(signal)
    process.on(signal, this.onSignal)
  }
}

/** Each pool once, with the longest time anybody grants it. */
export function poolsOf(registrations: readonly Registration[]): Map<ClosablePool, number> {
  const timeouts = new Map<ClosablePool, number>()
  for (const { pools, timeout } of registrations) {
    for (const pool of pools()) timeouts.set(pool, Math.max(timeout, timeouts.get(pool) ?? 0))
  }
  return timeouts
}
