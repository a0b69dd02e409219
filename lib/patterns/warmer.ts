import type { CommandResult, SSHTarget } from '../types'
import { atLeast, moreThanZero } from './numbers'
import { type CommandRunner, type TextOptions, addressOf } from './runner'

/** The pool, as far as warming needs it. `Report` is what its `warmUp` resolves with. */
export interface WarmablePool<Report> extends CommandRunner {
  warmUp(targets: SSHTarget[], options?: { connections?: number, signal?: AbortSignal }): Promise<Report>
}

export interface WarmerOptions<Report> {
  /** 5: how many targets are predicted */
  limit?: number
  /** 1: connections to hold ready for each */
  connections?: number
  /** Told after every scheduled round. */
  onReport?: (report: Report) => void
  /** Told when a scheduled round could not be run at all. Without it such a round is left out silently. */
  onError?: (error: unknown) => void
}

/** Opens connections to the targets that are used most, before they are needed. */
export class ConnectionWarmer<Report> {
  readonly #pool: WarmablePool<Report>
  readonly #options: WarmerOptions<Report>
  readonly #limit: number
  readonly #uses = new Map<string, { target: SSHTarget, count: number }>()

  constructor(pool: WarmablePool<Report>, options: WarmerOptions<Report> = {}) {
    this.#pool = pool
    this.#options = options
    this.#limit = atLeast('limit', options.limit ?? 5, 1)
    atLeast('connections', options.connections ?? 1, 1)
  }

  /** Runs a command and remembers where. */
  exec(target: SSHTarget, command: string, options?: TextOptions): Promise<CommandResult> {
    this.record(target)
    return this.#pool.exec(target, command, options)
  }

  /** Remembers one use, for commands that run past this object. */
  record(target: SSHTarget): void {
    const address = addressOf(target)
    // The latest target of an address counts: its credentials are the ones that will be used again.
    this.#uses.set(address, { target, count: (this.#uses.get(address)?.count ?? 0) + 1 })
  }

  /** The targets most likely to be used next: the most used ones first, equals in the order of their first use. */
  getPredictions(): SSHTarget[] {
    return [...this.#uses.values()].sort((a, b) => b.count - a.count).slice(0, this.#limit).map(({ target }) => target)
  }

  /** Makes connections ready; without an argument, to the predicted targets. */
  warm(targets: SSHTarget[] = this.getPredictions(), signal?: AbortSignal): Promise<Report> {
    const connections = this.#options.connections ?? 1
    return this.#pool.warmUp(targets, signal === undefined ? { connections } : { connections, signal })
  }

  /** Warms again and again; a round that takes longer than the interval delays the next. Keeps no process alive. */
  schedule(intervalMs: number): () => void {
    moreThanZero('intervalMs', intervalMs)
    const stop = new AbortController()
    let busy = false
    const timer = setInterval(() => {
      if (busy) return
      busy = true
      void this.#round(stop.signal).finally(() => { busy = false })
    }, intervalMs)
    timer.unref()
    return () => {
      clearInterval(timer)
      stop.abort()
    }
  }

  async #round(stopped: AbortSignal): Promise<void> {
    try {
      const report = await this.warm(this.getPredictions(), stopped)
      if (!stopped.aborted) this.#options.onReport?.(report)
    } catch (error) {
      if (!stopped.aborted) this.#options.onError?.(error)
    }
  }
}
