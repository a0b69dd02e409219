// Starting other programs, and making sure that none of them outlives us.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'

const running = new Set()

/** A program that did not end as it should; the message says which and how. */
export class CommandFailed extends Error {
  constructor(command, outcome) {
    super(`${command} ${outcome.signal ? `was ended by ${outcome.signal}` : `exited with ${outcome.code}`}`)
    this.name = 'CommandFailed'
    this.outcome = outcome
  }
}

/** Counts a child as ours until it ends, so that `endAll` reaches it. */
export function track(child) {
  running.add(child)
  for (const event of ['error', 'close']) child.once(event, () => running.delete(child))
  return child
}

/**
 * Runs a program to its end and resolves with `{ code, signal, stdout, stderr }`, whatever the code.
 * Output goes to our own terminal unless `capture` is set. Each program gets a process group of its own, so that
 * ending it ends its children too (cargo's compilers, vitest's workers, private servers).
 */
export function run(command, args, { cwd, env, input, capture = false } = {}) {
  return new Promise((resolve, reject) => {
    const output = capture ? 'pipe' : 'inherit'
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: [input === undefined ? 'ignore' : 'pipe', output, output],
      detached: process.platform !== 'win32',
    })
    track(child)
    const chunks = { stdout: [], stderr: [] }
    for (const name of ['stdout', 'stderr']) child[name]?.on('data', (chunk) => chunks[name].push(chunk))
    // A program that ends without reading its input is judged by its exit code, not by our broken pipe.
    child.stdin?.on('error', () => {}).end(input)
    child.once('error', reject)
    child.once('close', (code, signal) => {
      const text = (name) => Buffer.concat(chunks[name]).toString()
      resolve({ code, signal, stdout: text('stdout'), stderr: text('stderr') })
    })
  })
}

/** Like `run`, but anything else than exit code 0 is a `CommandFailed`. */
export async function must(command, args, options) {
  const outcome = await run(command, args, options)
  if (outcome.code !== 0) {
    if (options?.capture) process.stderr.write(outcome.stdout + outcome.stderr)
    throw new CommandFailed([command, ...args].join(' '), outcome)
  }
  return outcome
}

/** The output of a program, trimmed; `undefined` when it is not installed or fails. */
export async function output(command, args) {
  try {
    const outcome = await run(command, args, { capture: true })
    return outcome.code === 0 ? outcome.stdout.trim() : undefined
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

function endGroup(child, signal) {
  try {
    process.kill(process.platform === 'win32' ? child.pid : -child.pid, signal)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

/** Ends every program still running; called on a signal, so that Ctrl-C and CI's SIGTERM leave nothing behind. */
export function endAll(signal = 'SIGTERM') {
  for (const child of running) endGroup(child, signal)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    endAll(signal)
    process.exit(128 + constants.signals[signal])
  })
}
