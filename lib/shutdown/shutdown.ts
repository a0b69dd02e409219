import { constants } from 'node:os'
import { type ClosablePool, type Registration, Registry, poolsOf } from './registry'

/** The longest time a timer can hold. */
const LONGEST = 2 ** 31 - 1

/** How much longer than its own timeout a drain may take before it is given up. */
const GRACE = 1_000

/** The shutdown that waits for its pools, and who asked for it: what is taken back meanwhile still counts. */
let current: { registrations: readonly Registration[] } | undefined

export const registry = new Registry(
  (signal) => { if (current === undefined) void shutDown(signal); else force(signal) },
  () => { cutAll([...poolsOf(registry.all()).keys()]) },
)

async function shutDown(signal: NodeJS.Signals): Promise<void> {
  const registrations = registry.for(signal)
  const mine = { registrations }
  current = mine
  const pools = poolsOf(registrations)
  const drained = Promise.allSettled([...pools].map(async ([pool, timeout]) => pool.drain({ timeout })))
  await within(Math.min(LONGEST, Math.max(0, ...pools.values()) + GRACE), drained)
  // A second signal may have ended the shutdown already, where ending the process was not wanted.
  if (current !== mine) return
  current = undefined
  end(signal, registrations)
}

/** The second signal: whoever sends it does not want to wait. */
function force(signal: NodeJS.Signals): void {
  const { registrations = [] } = current ?? {}
  current = undefined
  cutAll([...poolsOf(registrations).keys()])
  end(signal, registry.for(signal))
}

/** Best effort: at this point nothing can be waited for. The kernel closes what is left with the process. */
function cutAll(pools: readonly ClosablePool[]): void {
  for (const pool of pools) pool.closeAll().catch(() => undefined)
}

/** Ends the process as the signal would have ended it without us. */
function end(signal: NodeJS.Signals, registrations: readonly Registration[]): void {
  const wishes = registrations.map(({ exit }) => exit)
  if (wishes.includes(true)) process.exit(exitCode(signal))
  // Who only wants pools closed does not keep the others from ending the process.
  if (wishes.length > 0 && wishes.every((wish) => wish === false)) return
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
