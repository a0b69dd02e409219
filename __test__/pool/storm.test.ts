import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SSHConnectionPool, type SSHTarget, XecNativeError } from '../support/native'
import { OpenSSHServer } from '../support/openssh'

const COMMANDS = 10_000
const AT_ONCE = 256
const STEADY = Array.from({ length: 19 }, (_, i) => `127.0.0.${i + 2}`)
const SHAKY = '127.0.0.31'

let steady: OpenSSHServer
let shaky: OpenSSHServer

beforeAll(async () => {
  // MaxStartups is not what is tested here: all hosts are one sshd, which counts the newcomers of all of them together.
  steady = await OpenSSHServer.start({ addresses: ['0.0.0.0'], config: ['MaxStartups 200'] })
  shaky = await OpenSSHServer.start({ addresses: [SHAKY] })
})
afterAll(async () => {
  await steady.stop()
  await shaky.stop()
})

interface Tally { ran: number, lost: number, refused: number, wrong: unknown[] }

/** Restarts the server over and over, until told to stop; it runs when the promise is done. */
async function shake(server: OpenSSHServer, stop: AbortSignal): Promise<number> {
  let restarts = 0
  while (!stop.aborted) {
    await server.halt()
    await server.resume()
    restarts += 1
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 1_000)
      stop.addEventListener('abort', () => { clearTimeout(timer); resolve() }, { once: true })
    })
  }
  return restarts
}

async function runOne(pool: SSHConnectionPool, target: SSHTarget, n: number, tally: Tally): Promise<void> {
  try {
    const { stdout, exitCode } = await pool.exec(target, `echo ${n}`)
    if (stdout === `${n}\n` && exitCode === 0) tally.ran += 1
    else tally.wrong.push({ n, stdout, exitCode })
  } catch (error) {
    const kind = error instanceof XecNativeError ? error.kind : undefined
    if (target.host !== SHAKY) tally.wrong.push(error)
    else if (kind === 'connection-lost') tally.lost += 1
    else if (kind === 'connection-refused') tally.refused += 1
    else tally.wrong.push(error)
  }
}

describe('ten thousand commands', () => {
  it('over twenty hosts, one of which restarts every second: one honest outcome each, two connections a host', async () => {
    await using pool = new SSHConnectionPool({ maxConnections: 2, acquireTimeout: 60_000 })
    const targets = [...STEADY.map((host) => steady.target({ host })), shaky.target({ host: SHAKY })]
    const perHost = new Map<string, number>()
    pool.on('connection:created', () => {
      const now = new Map<string, number>()
      for (const { host } of pool.getConnections()) now.set(host, (now.get(host) ?? 0) + 1)
      for (const [host, count] of now) perHost.set(host, Math.max(perHost.get(host) ?? 0, count))
    })
    const stop = new AbortController()
    const shaking = shake(shaky, stop.signal)

    const tally: Tally = { ran: 0, lost: 0, refused: 0, wrong: [] }
    let next = 0
    const worker = async (): Promise<void> => {
      while (next < COMMANDS) {
        const n = next++
        const target = targets[n % targets.length]
        if (target !== undefined) await runOne(pool, target, n, tally)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    stop.abort()
    const restarts = await shaking

    expect(tally.wrong).toEqual([])
    expect(tally.ran + tally.lost + tally.refused).toBe(COMMANDS)
    expect(tally.ran).toBeGreaterThan(COMMANDS * 0.95 - 1)
    expect(restarts).toBeGreaterThan(2)
    expect(Math.max(...perHost.values())).toBeLessThanOrEqual(2)
    const seen = steady.mostConnectionsByAddress()
    expect([...seen.keys()].sort()).toEqual([...STEADY].sort())
    expect(Math.max(...seen.values()), 'by the server\'s own account').toBeLessThanOrEqual(2)
    expect(pool.getStats()).toMatchObject({ activeChannels: 0, queued: 0 })
  })
})
