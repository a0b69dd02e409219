import { execFileSync } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { OpenSSHServer } from './openssh'

let count = 0

/** A FIFO at which one command of a server waits until it is opened, instead of sleeping for long enough. */
export class Gate {
  readonly path: string
  readonly #end: number

  constructor(server: OpenSSHServer) {
    this.path = join(server.directory, `gate-${count += 1}`)
    execFileSync('mkfifo', ['--mode=666', this.path])
    // For both directions: then neither this side nor the word waits for the other one to be there.
    this.#end = openSync(this.path, 'r+')
  }

  /** What the command says. */
  get wait(): string {
    return `read -r word < ${this.path}`
  }

  open(): void {
    writeSync(this.#end, 'go\n')
  }

  close(): void {
    closeSync(this.#end)
  }
}
