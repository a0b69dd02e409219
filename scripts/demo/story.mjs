// What the demo does, in six acts, with nothing but the package's public API. No printing here.

const MANY = 200
const AT_ONCE = 16
const TIMEOUT = 300

const EVENTS = [
  'connection:created', 'connection:reused', 'connection:idle', 'connection:closed', 'connection:failed',
  'connection:error', 'pool:full', 'queue', 'retire',
]

/** Counts every event of the pool by its name; only those that happened are in the map. */
export function countEvents(pool) {
  const seen = new Map()
  for (const name of EVENTS) pool.on(name, () => seen.set(name, (seen.get(name) ?? 0) + 1))
  return seen
}

export async function tell(pool, target) {
  const run = (command, options) => pool.exec(target, command, options)
  const first = await run('uname -sr')
  const next = await run('uname -sr')
  const many = await runMany(run)
  const failing = await run('ls /there/is/no/such/folder')
  return { first, next, many, failing, timeout: await runOutOfTime(run) }
}

/** A few workers that share one counter: never more than AT_ONCE commands at a time, and no pause between them. */
async function runMany(run) {
  const results = []
  const start = performance.now()
  let number = 0
  const worker = async () => {
    while (number < MANY) results.push(await runNumbered(run, number++))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return { count: MANY, atOnce: AT_ONCE, elapsed: performance.now() - start, results }
}

async function runNumbered(run, number) {
  const result = await run(`echo command ${number}`)
  if (result.stdout !== `command ${number}\n`) throw new Error(`Command ${number} got somebody else's output: ${result.stdout}`)
  return result
}

/** A command that is stopped, and its neighbour on the same connection, which must not notice. */
async function runOutOfTime(run) {
  const neighbour = run(`sleep ${(2 * TIMEOUT) / 1000}; echo undisturbed`)
  const start = performance.now()
  const error = await run('sleep 60', { timeout: TIMEOUT }).then(() => undefined, (reason) => reason)
  const elapsed = performance.now() - start
  if (error === undefined) throw new Error('"sleep 60" ended before its timeout.')
  return { limit: TIMEOUT, elapsed, error, neighbour: await neighbour }
}
