import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'

const COMMANDS = 2_000
const AT_ONCE = 64
const MAX_CONNECTIONS = 4

let server: OpenSSHServer

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })

/** Runs `work` for 0 … count - 1, `width` at a time. */
async function inParallel(count: number, width: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) {
      const index = next
      next += 1
      await work(index)
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
}

describe('many commands on a stock server (MaxSessions 10)', () => {
  it(`${COMMANDS} commands, ${AT_ONCE} at once, over at most ${MAX_CONNECTIONS} connections`, async () => {
    await using pool = new SSHConnectionPool({ maxConnections: MAX_CONNECTIONS })
    const errors: unknown[] = []
    let [open, mostOpen] = [0, 0]
    pool.on('connection:created', () => { open += 1; mostOpen = Math.max(mostOpen, open) })
    pool.on('connection:closed', () => { open -= 1 })
    pool.on('connection:error', (_host, error) => errors.push(error))
    pool.on('connection:failed', (_host, error) => errors.push(error))

    const wrong: unknown[] = []
    await inParallel(COMMANDS, AT_ONCE, async (index) => {
      const result = await pool.exec(server.target(), `echo out-${index}; echo err-${index} >&2; exit ${index % 7}`)
      const right = result.stdout === `out-${index}\n` && result.stderr === `err-${index}\n` && result.exitCode === index % 7
      if (!right) wrong.push(result)
    })

    expect(wrong).toEqual([])
    expect(errors).toEqual([])
    expect(mostOpen).toBeGreaterThan(1)
    expect(mostOpen).toBeLessThanOrEqual(MAX_CONNECTIONS)
    expect(await server.counted(/^Connection from /)).toBeLessThanOrEqual(MAX_CONNECTIONS)
    expect(pool.getStats()).toMatchObject({ commandsRun: COMMANDS, queued: 0, activeChannels: 0, connectionsFailed: 0 })
  })

  it('a server that allows one session per connection serves them all the same', async () => {
    await using narrow = await strictServer()
    await using pool = new SSHConnectionPool({ maxConnections: 2 })
    const results = await Promise.all(Array.from({ length: 20 }, (_, i) => pool.exec(narrow.server.target(), `echo ${i}`)))
    expect(results.map(({ stdout }) => stdout)).toEqual(Array.from({ length: 20 }, (_, i) => `${i}\n`))
    expect(narrow.server.mostConnections()).toBeLessThanOrEqual(2)
  })
})

async function strictServer(): Promise<AsyncDisposable & { server: OpenSSHServer }> {
  const strict = await OpenSSHServer.start({ config: ['MaxSessions 1'] })
  return { server: strict, [Symbol.asyncDispose]: () => strict.stop() }
}
