import { setTimeout as delay } from 'node:timers/promises'

/**
 * Waits until something outside this process has become so. For what gives no event: the end of a foreign process, a
 * line in a log. Fails loudly instead of waiting for ever.
 */
export async function until(what: string, condition: () => boolean, limit = 10_000): Promise<void> {
  const deadline = performance.now() + limit
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${limit} ms: ${what}`)
    await delay(10)
  }
}
