/**
 * What callbacks that the engine asked (about prompts, about host keys) threw. The engine carries a number through its own
 * errors, so that the Error that comes out in the end has the very object as its cause, its class, code and stack with it.
 */
const kept = new Map<number, unknown>()
let last = 0

/** Many callers may wait for one login, and events tell of it as well; nobody waits for the hundredth but last. */
const MOST = 100

export function keepThrown(error: unknown): number {
  last = (last + 1) % 2 ** 32
  kept.set(last, error)
  for (const oldest of kept.keys()) {
    if (kept.size <= MOST) break
    kept.delete(oldest)
  }
  return last
}

export function thrownBy(number: number): unknown {
  return kept.get(number)
}
