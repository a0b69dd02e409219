// A script of ours in a process of its own, so that what it needs does not show in our figures.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { track } from '../support/run.mjs'

/** Starts it, and resolves with what `pattern` finds in a line that it prints, and how to end it. */
export async function helper(script, args, pattern) {
  const child = track(spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'], detached: true }))
  const ended = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
  }
  for await (const line of createInterface({ input: child.stdout })) {
    const found = pattern.exec(line)
    if (found === null) continue
    child.stdout.resume()
    return { found: found[1], stop }
  }
  throw new Error(`${script} ended before it was ready`)
}
