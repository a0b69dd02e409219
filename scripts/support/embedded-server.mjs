// The embedded SSH server as a child of ours: it says how to log in, and ends when we do, however we end.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { built, engineBuild } from './cargo.mjs'
import { root } from './paths.mjs'
import { must } from './run.mjs'

const BINARY = 'embedded-sshd'

export const buildEmbeddedServer = () =>
  must('cargo', ['build', ...engineBuild(), '--bin', BINARY], { cwd: root })

/** Starts the server; resolves with `{ target, stop }`, where `target` is what `exec` wants. */
export async function startEmbeddedServer() {
  const child = spawn(built(BINARY), [], { stdio: ['pipe', 'pipe', 'inherit'] })
  const { host, port, username, privateKeyPath } = JSON.parse(await firstLine(child))
  const target = { host, port, username, privateKey: privateKeyPath, knownHostsPath: path.join(path.dirname(privateKeyPath), 'known_hosts') }
  return { target, stop: () => stop(child) }
}

async function firstLine(child) {
  const failed = once(child, 'exit').then(([code]) => { throw new Error(`The embedded server ended at once, with exit code ${code}.`) })
  const lines = createInterface({ input: child.stdout })
  const [line] = await Promise.race([once(lines, 'line'), failed])
  // The promise that lost the race is allowed to fail later: `stop` makes the child exit.
  failed.catch(() => {})
  lines.close()
  return line
}

// Closing its stdin is how it is told to end; the key it wrote goes with it.
async function stop(child) {
  if (child.exitCode !== null) return
  const exited = once(child, 'exit')
  child.stdin.end()
  await exited
}
