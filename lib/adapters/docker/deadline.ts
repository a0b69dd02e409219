import { aborted, tooLong } from './daemon-error'
import type { DockerExchange } from '../../docker'
import { onAbort } from '../../on-abort'

export interface Limits {
  what: string
  host: string
  /** Milliseconds; 0 = no limit */
  timeout: number
  signal?: AbortSignal | undefined
}

/**
 * Runs work that moves data, with an end: what is out of time or aborted is cut off by closing its connection, and fails with
 * why it was closed rather than with how that looked from inside.
 */
export async function withDeadline<T>(limits: Limits, work: (cut: Cut) => Promise<T>): Promise<T> {
  const cut = new Cut(limits)
  try {
    const result = await work(cut)
    return result
  } catch (error) {
    throw cut.reason ?? error
  } finally {
    cut.end()
  }
}

/** Closes what it was given when there is a reason to. */
export class Cut {
  reason: Error | undefined
  /** For calls whose answer is collected. */
  readonly #controller = new AbortController()
  readonly #closing: (() => void)[] = []
  readonly #timer: NodeJS.Timeout | undefined
  readonly #unlink: (() => void) | undefined

  constructor({ what, host, timeout, signal }: Limits) {
    if (timeout > 0) this.#timer = setTimeout(() => { this.now(tooLong(what, timeout, host, true)) }, timeout)
    const fired = (): void => { this.now(aborted(signal?.reason, host)) }
    if (signal?.aborted === true) fired()
    else if (signal !== undefined) this.#unlink = onAbort(signal, fired)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Why it cannot go on, if so. */
  check(): void {
    if (this.reason !== undefined) throw this.reason
  }

  /** Whatever is added after the end is closed at once. */
  closes<T extends Pick<DockerExchange, 'cancel'>>(exchange: T): T {
    if (this.reason === undefined) this.#closing.push(() => { exchange.cancel() })
    else exchange.cancel()
    return exchange
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#unlink?.()
  }

  /** For a reason of the caller's own. */
  now(reason: Error): void {
    if (this.reason !== undefined) return
    this.reason = reason
    this.#controller.abort(reason)
    for (const close of this.#closing) close()
  }
}
