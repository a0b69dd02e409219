/** How long the other side may think about what a client has said, which has said everything. */
export const THINKING = 600_000
/** How long it may then say nothing between its words. Most clients that it has answered have gone, and nobody tells. */
export const SILENCE = 60_000
/** How many such clients are kept, for each forward. */
export const KEPT = 64

/** One that is kept. */
export interface Lingerer {
  /** The other side has spoken. */
  heard: () => void
  /** It was let go by us. */
  readonly isCut: boolean
  /** It is over. */
  end: () => void
}

interface Kept {
  last: number
  timer: NodeJS.Timeout
  cut: () => void
}

/**
 * Clients that have ended their own side of a connection and may still be answered. Nobody tells whether they wait or have gone, so they are
 * kept for long, but only so many: of too many the one that has heard nothing for the longest time is cut.
 */
export class Lingering {
  readonly #kept = new Set<Kept>()

  /** `cut` ends the connection. `owed`: the client has said something that was not answered yet. */
  add(cut: () => void, owed: boolean): Lingerer {
    let isCut = false
    const wait = (limit: number): NodeJS.Timeout => setTimeout(() => { kept.cut() }, limit).unref()
    const kept: Kept = {
      last: performance.now(),
      timer: wait(owed ? THINKING : SILENCE),
      cut: () => {
        isCut = true
        this.#remove(kept)
        cut()
      },
    }
    if (this.#kept.size >= KEPT) this.#longest()?.cut()
    this.#kept.add(kept)
    return {
      heard: () => {
        if (!this.#kept.has(kept)) return
        kept.last = performance.now()
        clearTimeout(kept.timer)
        kept.timer = wait(SILENCE)
      },
      get isCut() { return isCut },
      end: () => { this.#remove(kept) },
    }
  }

  #remove(kept: Kept): void {
    clearTimeout(kept.timer)
    this.#kept.delete(kept)
  }

  #longest(): Kept | undefined {
    let found: Kept | undefined
    for (const kept of this.#kept) if (found === undefined || kept.last < found.last) found = kept
    return found
  }
}
