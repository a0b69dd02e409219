// The driver's handle to one client process.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const WORKER = fileURLToPath(new URL('./worker.mjs', import.meta.url))

export class Contender {
  #child
  #pending
  #closing = false
  /** Why it is out of the race, if it is. */
  outOfRace

  constructor(name, worker = WORKER) {
    this.name = name
    this.#child = fork(worker, [name], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    const complaints = []
    this.#child.stderr.on('data', (chunk) => complaints.push(chunk))
    this.#child.on('message', (message) => this.#settle(message))
    this.#child.once('exit', (code) => {
      if (!this.#closing) this.outOfRace ??= `its process ended with ${code}: ${gist(Buffer.concat(complaints).toString())}`
      this.#settle({ error: this.outOfRace })
    })
  }

  /** Resolves with the worker's answer, `undefined` when the client cannot do it; rejects when it failed. */
  ask(task, details = {}) {
    if (this.outOfRace !== undefined) return Promise.reject(new Error(this.outOfRace))
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject }
      this.#child.send({ task, ...details })
    })
  }

  async close() {
    this.#closing = true
    if (this.outOfRace === undefined) await this.ask('close')
  }

  #settle({ answer, error }) {
    const pending = this.#pending
    this.#pending = undefined
    if (error === undefined) pending?.resolve(answer)
    else pending?.reject(new Error(error))
  }
}

// The line of a crash report that names the error; the first one there is, else.
function gist(text) {
  const lines = text.split('\n').map((line) => line.trim()).filter(Boolean)
  return lines.find((line) => /\b\w*Error\b/.test(line)) ?? lines[0] ?? 'it said nothing'
}
