// What users do, all at once and over again: each worker picks something at random and checks what comes of it.
import { setTimeout as sleep } from 'node:timers/promises'

const WORKERS = 16
const HOSTS = Array.from({ length: 20 }, (_, n) => `127.0.0.${n + 2}`)
const EXPECTED = new Set(['ABORT_ERR', 'ETIMEDOUT', 'ECONNLOST', 'ECONNREFUSED', 'ECONNRESET', 'EHANDSHAKE', 'EPOOLCLOSED', 'EAUTH', 'EBREAKEROPEN', 'EMAXBUFFER'])

/** Runs until told to stop; resolves with how often each thing was done, and what went wrong. */
export async function churn(pool, target, stop) {
  const tally = { done: {}, codes: {}, wrong: [] }
  const worker = async () => {
    while (!stop.aborted) {
      const [name, work] = pick(Object.entries(WORKS))
      tally.done[name] = (tally.done[name] ?? 0) + 1
      try {
        await work(pool, { ...target, host: pick(HOSTS) })
      } catch (error) {
        tally.codes[error.code] = (tally.codes[error.code] ?? 0) + 1
        if (!EXPECTED.has(error.code)) tally.wrong.push(String(error.stack))
      }
      await sleep(Math.random() * 150)
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, worker))
  return tally
}

const pick = (list) => list[Math.floor(Math.random() * list.length)]

const WORKS = {
  async command(pool, target) {
    const { stdout } = await pool.exec(target, 'echo fine')
    must(stdout === 'fine\n', stdout)
  },
  async output(pool, target) {
    const { stdout } = await pool.exec(target, 'head -c 300000 /dev/zero', { encoding: 'buffer' })
    must(stdout.length === 300_000, stdout.length)
  },
  async input(pool, target) {
    const { stdout } = await pool.exec(target, 'wc -c', { stdin: Buffer.alloc(200_000) })
    must(stdout.trim() === '200000', stdout)
  },
  async stream(pool, target) {
    let lines = 0
    for await (const line of pool.spawn(target, 'seq 1000')) lines += line.length > 0 ? 1 : 0
    must(lines === 1000, lines)
  },
  async streamLeft(pool, target) {
    for await (const line of pool.spawn(target, 'yes')) {
      must(line === 'y', line)
      break
    }
  },
  async lease(pool, target) {
    const connection = await pool.getConnection(target)
    try {
      for (let n = 0; n < 3; n += 1) must((await connection.exec(`echo ${n}`)).stdout === `${n}\n`, n)
    } finally {
      connection.release()
    }
  },
  async abort(pool, target) {
    await pool.exec(target, 'sleep 10', { signal: AbortSignal.timeout(100) })
  },
  async timeout(pool, target) {
    await pool.exec(target, 'sleep 10', { timeout: 100 })
  },
  async overflow(pool, target) {
    await pool.exec(target, 'yes', { maxBuffer: 10_000 })
  },
  async refused(pool, target) {
    await pool.exec({ ...target, port: 1 }, 'true')
  },
  async lost(pool, target) {
    // Its own session's process: the connection breaks under whatever runs on it.
    await pool.exec(target, 'kill -9 $PPID')
  },
  async warmUp(pool, target) {
    await pool.warmUp([target], { connections: 2 })
  },
  async removal(pool, target) {
    await pool.removeConnection(target)
  },
}

function must(right, got) {
  if (!right) throw new Error(`a wrong result: ${got}`)
}
