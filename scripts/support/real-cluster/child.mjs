// A server of the cluster: started, killed and ended by its id.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { track } from '../run.mjs'

const STOP_LIMIT = 10_000

export class Child {
  log = ''
  #process
  #start
  #ready

  /** `ready`: does it answer? */
  constructor(program, args, env = {}, ready = undefined) {
    this.program = program
    this.#start = () => track(spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env }, detached: true }))
    this.#ready = ready
    this.#listen()
  }

  #listen() {
    this.#process = this.#start()
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => { this.log = (this.log + text).slice(-100_000) })
    }
  }

  /** Waits until something is so; a server that has ended, or takes a minute, is an error with what it said last. */
  async until(what, condition, limit = 60_000) {
    const deadline = performance.now() + limit
    for (;;) {
      if (await condition().catch(() => false)) return
      if (this.#process.exitCode !== null) throw new Error(`${this.program} ended before ${what}:\n${this.#tail}`)
      if (performance.now() > deadline) throw new Error(`${this.program}: not in time: ${what}:\n${this.#tail}`)
      // None of them gives an event.
      await delay(50)
    }
  }

  /** Waits until it answers. */
  answers() {
    return this.until('it answers', this.#ready)
  }

  /** Ends it as a crash does. */
  async kill() {
    if (this.#hasEnded) return
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }

  /** Starts it again, and waits until it answers. */
  async resume() {
    if (!this.#hasEnded) return
    this.#listen()
    await this.answers()
  }

  async end() {
    if (this.#hasEnded) return
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGTERM')
    const late = delay(STOP_LIMIT, 'late', { ref: false })
    if (await Promise.race([ended, late]) === 'late') this.#process.kill('SIGKILL')
    await ended
  }

  get #hasEnded() {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  get #tail() {
    return this.log.split('\n').slice(-20).join('\n')
  }
}
