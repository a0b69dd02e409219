import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  /** Milliseconds from the last output to the process's end. */
  lingered: number
}

/** Runs a Node.js program to its end. One that does not end by itself is killed, and then `signal` says so. */
export const runNode = (args: string[], env: Record<string, string>, limit = 30_000): Promise<Ended> =>
  runProgram(process.execPath, args, env, limit)

/** The same for another runtime. */
export async function runProgram(program: string, args: string[], env: Record<string, string>, limit = 30_000): Promise<Ended> {
  const child = spawn(program, args, {
    env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], timeout: limit, killSignal: 'SIGKILL',
  })
  let lastOutput = performance.now()
  child.stdout.on('data', () => { lastOutput = performance.now() })
  const ended = new Promise<[number | null, NodeJS.Signals | null, number]>((resolve) => {
    child.once('exit', (code, signal) => { resolve([code, signal, performance.now() - lastOutput]) })
  })
  const [[code, signal, lingered], stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)])
  return { code, signal, stdout, stderr, lingered }
}
