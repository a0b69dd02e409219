import { XecNativeError } from '../errors'

/** Whose connection it is. */
export interface Borrowed {
  host: string
  port: number
  username: string
}

/** One borrowed connection, as far as leaks go. Holds nothing of the lease itself, or that could never be collected. */
interface Watched {
  of: Borrowed
  /** Where it was borrowed; only where `leakDetectionThreshold` asks for it, because taking it costs. */
  borrowedAt: Error | undefined
  timer: NodeJS.Timeout | undefined
}

export type ReportLeak = (of: Borrowed, error: XecNativeError) => void

/** Notices leases that are held too long, and those that were forgotten altogether. */
export class LeakWatch {
  readonly #report: ReportLeak
  readonly #forgotten: FinalizationRegistry<Watched>

  constructor(report: ReportLeak) {
    this.#report = report
    this.#forgotten = new FinalizationRegistry((watched) => {
      clearTimeout(watched.timer)
      this.#tell(watched, 'was garbage-collected without release(): its connection is back in the pool')
    })
  }

  /** Watches a lease until the function that is returned is called. `threshold`: milliseconds, 0 = only forgotten ones. */
  watch(lease: object, of: Borrowed, threshold: number): () => void {
    const watched: Watched = { of, borrowedAt: threshold === 0 ? undefined : new Error('It was borrowed here'), timer: undefined }
    if (threshold > 0) {
      watched.timer = setTimeout(() => { this.#tell(watched, `has been held for more than ${threshold} ms`) }, threshold).unref()
    }
    this.#forgotten.register(lease, watched, watched)
    return () => {
      clearTimeout(watched.timer)
      this.#forgotten.unregister(watched)
    }
  }

  #tell({ of, borrowedAt }: Watched, what: string): void {
    const { host, port } = of
    const hint = borrowedAt === undefined ? '; set leakDetectionThreshold to learn where it was borrowed' : ''
    this.#report(of, new XecNativeError({
      code: 'ELEAK', kind: 'invalid-usage', host, port, message: `A connection borrowed for ${host}:${port} ${what}${hint}`,
      ...(borrowedAt === undefined ? {} : { cause: borrowedAt }),
    }))
  }
}
