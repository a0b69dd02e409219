// How every script ends: its own exit code, or one line that says what went wrong.
import { CommandFailed } from './run.mjs'
import { fail } from './terminal.mjs'

// Some programs colour their output even where nobody sees it, and fill CI's log with escape codes.
if (process.stdout.isTTY !== true && process.env.FORCE_COLOR === undefined) process.env.NO_COLOR ??= '1'

/** Runs a script's work; a number it returns is the exit code. An error we foresaw needs no stack trace. */
export async function main(work) {
  try {
    process.exitCode = (await work()) ?? 0
  } catch (error) {
    fail(isForeseen(error) ? error.message : error.stack)
    process.exitCode = 1
  }
}

// Ours, or the package's own, which always say of what kind they are.
const isForeseen = (error) => error instanceof CommandFailed || error.constructor === Error || typeof error.kind === 'string'
