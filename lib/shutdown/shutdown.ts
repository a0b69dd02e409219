import { constants } from 'node:os'
import { type ClosablePool, Registry, poolsOf } from './registry'

/** How much longer than its own timeout a drain may take before it is given up. */
const GRACE = 1_000

/** The shutdown that waits for its pools. */
let current: { signal: NodeJS.Signals } | undefined

export const registry = new Registry(
  (signal) => { if (current === undefined) void shutDown(signal); else force(signal) },
  () => { cutAll([...poolsOf(registry.all()).keys()]) },
)

async function shutDown(signal: NodeJS.Signals): Promise<void> {
  const mine = { signal }
  current = mine
  const pools = poolsOf(registry.for(signal))
  const drained = Promise.allSettled([...pools].map(async ([pool, timeout]) => pool.drain({ timeout })))
  await within(Math.max(0, ...pools.values()) + GRACE, drained)
  // A second signal may have ended the shutdown already, where ending the process was not wanted.
  if (current !== mine) return
  current = undefined
  end(signal)
}

/** The second signal: whoever sends it does not want to wait. */
function force(signal: NodeJS.Signals): void {
  const first = current?.signal ?? signal
  current = undefined
  cutAll([...poolsOf(registry.for(first)).keys()])
  end(signal)
}

/** Best effort: at this point nothing can be waited for. The kernel closes what is left with the process. */
function cutAll(pools: readonly ClosablePool[]): void {
  for (const pool of pools) pool.closeAll().catch(() => undefined)
}

/** Ends the process as the signal would have ended it without us. */
function end(signal: NodeJS.Signals): void {
  const wishes = registry.for(signal).map(({ exit }) => exit)
  if (wishes.includes(true)) process.exit(exitCode(signal))
  if (wishes.includes(false)) return
  registry.stopListening(signal)
  // Another listener has seen the signal too, and decides what becomes of the process; Node's own rule is the same.
  if (process.listenerCount(signal) > 0) return
  process.kill(process.pid, signal)
  // Only where a signal's default does not end the process: as the first process of a container.
  process.exit(exitCode(signal))
}

function exitCode(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}

/** Waits for `promise`, but not for ever. The timer also keeps the process alive, which an idle pool does not. */
async function within(limit: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => { timer = setTimeout(resolve, limit) })
  await Promise.race([promise, late])
  clearTimeout(timer)
}
