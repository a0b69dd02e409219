import { setTimeout as delay } from 'node:timers/promises'

/** Waits until something that must be asked for has become so: a pod's processes give no event. Fails loudly. */
export async function eventually(what: string, condition: () => Promise<boolean>, limit = 15_000): Promise<void> {
  const deadline = performance.now() + limit
  while (!await condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${limit} ms: ${what}`)
    await delay(20)
  }
}
