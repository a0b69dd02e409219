// npm run check: everything that can be checked without running the tests. All steps run, whatever the first ones say.
import { STEPS } from './check/steps.mjs'
import { main } from './support/main.mjs'
import { setup } from './support/setup.mjs'
import { bold, done, elapsed, fail, green, red, say, step } from './support/terminal.mjs'

await main(async () => {
  await setup()
  const results = []
  for (const [name, work] of Object.entries(STEPS)) results.push(await attempt(name, work))
  say()
  for (const result of results) say(`${result.ok ? green('✔') : red('✘')} ${result.name.padEnd(26)}${elapsed(result.time).padStart(12)}  ${typeof result.note === 'string' ? result.note : ''}`)
  return results.every((result) => result.ok) ? 0 : 1
})

async function attempt(name, work) {
  const start = performance.now()
  step(`${bold(name)} …`)
  try {
    const note = await work()
    done(name)
    return { name, ok: true, note, time: performance.now() - start }
  } catch (error) {
    fail(`${name}: ${error.message}`)
    return { name, ok: false, time: performance.now() - start }
  }
}
