import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { until } from './wait'

/** A running Node.js program that says what it does, line by line. */
export class Program {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>
  readonly #ended: Promise<unknown[]>
  #stdout = ''
  stderr = ''

  constructor(script: string, env: Record<string, string>) {
    this.#child = spawn(process.execPath, [script], {
      env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], timeout: 30_000, killSignal: 'SIGKILL',
    })
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => { this.#stdout += text })
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => { this.stderr += text })
    this.#ended = once(this.#child, 'close')
  }

  get lines(): string[] {
    return this.#stdout.split('\n').filter((line) => line !== '')
  }

  async says(line: string): Promise<void> {
    await until(`the program says "${line}"; so far ${JSON.stringify(this.lines)} ${this.stderr}`, () => this.lines.includes(line))
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** How it ended, as a parent process sees it. */
  async end(): Promise<{ code: unknown, signal: unknown, stderr: string }> {
    const [code, signal] = await this.#ended
    return { code, signal, stderr: this.stderr }
  }
}
