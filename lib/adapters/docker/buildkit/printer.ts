import { StringDecoder } from 'node:string_decoder'
import type { DockerProgress } from '../types'
import type { Printed, Step, Trace } from './trace'

export interface Listeners {
  print: ((text: string) => void) | undefined
  progress: ((progress: DockerProgress) => void) | undefined
}

interface Shown {
  label: string
  name: string
  begun: boolean
  ended: boolean
  stdout: Lines
  stderr: Lines
}

/**
 * Tells a build as the CLI's plain progress does: steps are numbered in the order in which they began, each line says of which one
 * it is.
 */
export class Printer {
  readonly #steps = new Map<string, Shown>()
  readonly #print: (text: string) => void
  readonly #progress: (progress: DockerProgress) => void
  #begun = 0

  constructor({ print, progress }: Listeners) {
    this.#print = print ?? (() => undefined)
    this.#progress = progress ?? (() => undefined)
  }

  tell({ steps, shares, printed, warnings }: Trace): void {
    for (const step of steps) this.#begin(step)
    for (const { id, step, current, total, completed } of shares) {
      const shown = this.#steps.get(step)
      const counts = { ...(current > 0 ? { current } : {}), ...(total > 0 ? { total } : {}) }
      this.#progress({ id, status: completed ? 'done' : shown?.name ?? '', ...counts })
    }
    for (const log of printed) this.#output(log)
    for (const { step, text } of warnings) this.#line(this.#steps.get(step)?.label ?? '#0', `WARN: ${text}`)
    for (const step of steps) this.#end(step)
  }

  #begin({ digest, name, started, cached }: Step): void {
    const shown = this.#steps.get(digest) ?? { label: '', name, begun: false, ended: false, stdout: new Lines(), stderr: new Lines() }
    this.#steps.set(digest, shown)
    if (shown.begun || (started === undefined && !cached)) return
    this.#begun += 1
    Object.assign(shown, { begun: true, label: `#${this.#begun}` })
    this.#line(shown.label, name)
    this.#progress({ id: shown.label, status: name })
  }

  #output({ step, stderr, data }: Printed): void {
    const shown = this.#steps.get(step)
    if (shown === undefined) return
    for (const line of (stderr ? shown.stderr : shown.stdout).push(data)) this.#line(shown.label, line)
  }

  #end({ digest, cached, started, completed, error }: Step): void {
    const shown = this.#steps.get(digest)
    if (shown === undefined || !shown.begun || shown.ended || (completed === undefined && !cached)) return
    shown.ended = true
    for (const line of [...shown.stdout.rest(), ...shown.stderr.rest()]) this.#line(shown.label, line)
    const status = error !== '' ? `ERROR: ${error}` : cached ? 'CACHED' : `DONE ${((completed ?? 0) - (started ?? 0)).toFixed(1)}s`
    this.#line(shown.label, status)
    this.#progress({ id: shown.label, status })
  }

  #line(label: string, text: string): void {
    this.#print(`${label} ${text}\n`)
  }
}

/** One stream of a step, in whole lines. */
class Lines {
  readonly #decoder = new StringDecoder('utf8')
  #begun = ''

  push(data: Buffer): string[] {
    const lines = (this.#begun + this.#decoder.write(data)).split('\n')
    this.#begun = lines.pop() ?? ''
    return lines
  }

  rest(): string[] {
    const rest = this.#begun + this.#decoder.end()
    this.#begun = ''
    return rest === '' ? [] : [rest]
  }
}
