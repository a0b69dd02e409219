// npm run soak [-- --minutes 10]: hosts, commands, streams, leases and lost connections come and go for minutes; memory, file
// descriptors, threads and the server's connections must not grow.
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startSshd } from '../bench/sshd.mjs'
import { churn } from './soak/churn.mjs'
import { sample, verdicts } from './soak/figures.mjs'
import { main } from './support/main.mjs'
import { setup } from './support/setup.mjs'
import { green, red, say, step } from './support/terminal.mjs'

const EVERY = 5_000

await main(async () => {
  const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } })
  await setup({ servers: true })
  const { SSHConnectionPool } = await import('../index.mjs')
  const sshd = await startSshd({ addresses: ['0.0.0.0'], lines: ['MaxStartups 100'] })
  const pool = new SSHConnectionPool({ maxConnections: 2, idleTimeout: 3_000, maxLifetime: 20_000, cleanupInterval: 1_000 })
  const { tally, samples } = await soak(pool, sshd, Number(values.minutes)).finally(async () => {
    await pool.dispose()
    await sshd.stop()
  })
  say(`  ${JSON.stringify(tally)}`)
  const results = verdicts(samples)
  for (const { what, early, late, ok } of results) say(`  ${ok ? green('✔') : red('✘')} ${what.padEnd(22)} ${early} → ${late}`)
  return results.every(({ ok }) => ok) && tally.wrong.length === 0 ? 0 : 1
})

async function soak(pool, sshd, minutes) {
  const stop = new AbortController()
  const working = churn(pool, sshd.target, stop.signal)
  try {
    const samples = []
    const end = Date.now() + minutes * 60_000
    while (Date.now() < end) {
      await sleep(EVERY)
      samples.push(sample(sshd.pid, pool))
      step(`${Math.ceil((end - Date.now()) / 1000)} s left: ${JSON.stringify(samples.at(-1))}`)
    }
    stop.abort()
    return { tally: await working, samples }
  } finally {
    // Also when something went wrong: nothing works on while the pool closes.
    stop.abort()
    await working
  }
}
