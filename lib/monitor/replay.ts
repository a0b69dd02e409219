import type { Histogram } from '../types'

interface Fresh {
  from: number
  to: number
  count: number
}

/**
 * Makes single values out of a histogram that is only seen from time to time, for receivers that want every value. Their
 * number, in each bucket too, and their sum are those of the histogram; where in its bucket a value lies is the same for all.
 */
export class HistogramReplay {
  #seen: Pick<Histogram, 'count' | 'sum' | 'buckets'> = { count: 0, sum: 0, buckets: [] }

  /** Calls `record` for every value since the last call. Milliseconds. */
  next(now: Histogram, record: (value: number) => void): void {
    // It only shrinks when it was reset: then all of it is new.
    const seen = now.count < this.#seen.count ? { count: 0, sum: 0, buckets: [] } : this.#seen
    this.#seen = now
    const fresh = freshBuckets(now, seen)
    const place = placeOf(fresh, now.sum - seen.sum)
    for (const { from, to, count } of fresh) {
      for (let i = 0; i < count; i++) record(from + (to - from) * place)
    }
  }
}

/** What came into each bucket, the one above all bounds included. */
function freshBuckets(now: Histogram, seen: Pick<Histogram, 'count' | 'buckets'>): Fresh[] {
  const bounds = now.buckets.map(({ atMost, count }, index) => ({ atMost, added: count - (seen.buckets[index]?.count ?? 0) }))
  const all = [...bounds, { atMost: now.max, added: now.count - seen.count }]
  return all.map(({ atMost, added }, index) => {
    const below = all[index - 1] ?? { atMost: 0, added: 0 }
    // A reader may see a value in one bucket that it does not see in the next yet; it comes with the next look.
    return { from: below.atMost, to: Math.max(below.atMost, Math.min(atMost, now.max)), count: Math.max(0, added - below.added) }
  })
}

/**
 * Where in their buckets the values must lie for their sum to be right: 0 at the lower bound, 1 at the upper. A little
 * more than 1 where the pool counted values just above a bound to the bucket below it.
 */
function placeOf(fresh: readonly Fresh[], sum: number): number {
  const lowest = fresh.reduce((total, { from, count }) => total + from * count, 0)
  const width = fresh.reduce((total, { from, to, count }) => total + (to - from) * count, 0)
  return width === 0 ? 0 : Math.max(0, (sum - lowest) / width)
}
