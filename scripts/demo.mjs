// npm run demo [-- user@host[:port] [--key path]]: sets everything up, runs the main job once, shows what happened.
import { USAGE, parseArguments } from './demo/arguments.mjs'
import { loginTo } from './demo/login.mjs'
import { printHeader, printLatencies, printPool, printStory, printVerdict } from './demo/report.mjs'
import { countEvents, tell } from './demo/story.mjs'
import { buildEmbeddedServer, startEmbeddedServer } from './support/embedded-server.mjs'
import { main } from './support/main.mjs'
import { setup } from './support/setup.mjs'
import { say } from './support/terminal.mjs'

await main(async () => {
  const { server, key, help } = parseArguments(process.argv.slice(2))
  if (help === true) return say(USAGE)
  await setup({ extra: server === undefined ? { 'embedded SSH server': buildEmbeddedServer } : {} })
  // Only now: before the set-up there is nothing to import.
  const { SSHConnectionPool, version } = await import('../index.mjs')
  const place = server === undefined ? await startEmbeddedServer() : { target: await loginTo(server, key, SSHConnectionPool), stop: () => {} }
  try {
    await show({ SSHConnectionPool, version: version(), target: place.target, kind: server === undefined ? 'embedded server' : 'your server' })
  } finally {
    await place.stop()
  }
})

async function show({ SSHConnectionPool, version, target, kind }) {
  const pool = new SSHConnectionPool()
  const events = countEvents(pool)
  const start = performance.now()
  try {
    printHeader({ version, target, kind })
    const story = await tell(pool, target)
    printStory(story)
    printLatencies(story.many)
    const stats = pool.getStats()
    await pool.closeAll()
    printPool(stats, events)
    printVerdict((performance.now() - start) / 1000)
  } finally {
    await pool.dispose()
  }
}
