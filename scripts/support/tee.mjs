// Showing what a program prints and keeping it as well, to read its closing lines.
import { spawn } from 'node:child_process'
import { track } from './run.mjs'

/** Like `run`, with stdout both shown and returned; stderr is only shown. */
export function tee(command, args, { cwd, env } = {}) {
  return new Promise((resolve, reject) => {
    const child = track(spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'], detached: process.platform !== 'win32' }))
    const chunks = []
    child.stdout.on('data', (chunk) => {
      chunks.push(chunk)
      process.stdout.write(chunk)
    })
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, stdout: Buffer.concat(chunks).toString() }))
  })
}
