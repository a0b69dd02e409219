import { CommandError } from './execution-errors'

/** What an adapter's `execute` resolves with: @xec-sh/core's ExecutionResult, plus `stdall`. */
export interface ExecutionResult {
  stdout: string
  stderr: string
  /** Both in the order of their arrival. */
  readonly stdall: string
  exitCode: number
  signal?: string
  ok: boolean
  cause?: string
  command: string
  /** Milliseconds. */
  duration: number
  startedAt: Date
  finishedAt: Date
  adapter: string
  /** host:port */
  host?: string
  container?: string
  toMetadata(): object
  throwIfFailed(): void
  /** stdout without white space around it. */
  text(): string
  json(): unknown
  lines(): string[]
  /** The bytes of stdout as they came. */
  buffer(): Buffer
}

/** What is known when a command has ended. Texts are masked already. */
export interface ResultFields {
  stdout: string
  stderr: string
  /** Functions, because most callers never ask, and big output is slow to decode and mask. */
  stdall: () => string
  bytes: () => Buffer
  exitCode: number
  signal: string | undefined
  command: string
  startedAt: Date
  finishedAt: Date
  adapter: string
  host?: string
  container?: string
}

/** An own, enumerable property, so that `{ ...result }` has it, worked out when it is read. */
export function defineStdall(result: object, stdall: () => string): void {
  Object.defineProperty(result, 'stdall', { get: stdall, enumerable: true, configurable: true })
}

/** The result for programs without @xec-sh/core. */
export class NativeExecutionResult implements ExecutionResult {
  readonly stdout: string
  readonly stderr: string
  declare readonly stdall: string
  readonly exitCode: number
  declare readonly signal?: string
  readonly ok: boolean
  declare readonly cause?: string
  readonly command: string
  readonly duration: number
  readonly startedAt: Date
  readonly finishedAt: Date
  readonly adapter: string
  declare readonly host?: string
  declare readonly container?: string
  readonly #bytes: () => Buffer

  constructor(fields: ResultFields) {
    this.stdout = fields.stdout
    this.stderr = fields.stderr
    defineStdall(this, fields.stdall)
    this.exitCode = fields.exitCode
    if (fields.signal !== undefined) this.signal = fields.signal
    this.ok = fields.exitCode === 0
    if (!this.ok) this.cause = fields.signal === undefined ? `exitCode: ${fields.exitCode}` : `signal: ${fields.signal}`
    this.command = fields.command
    this.startedAt = fields.startedAt
    this.finishedAt = fields.finishedAt
    this.duration = fields.finishedAt.getTime() - fields.startedAt.getTime()
    this.adapter = fields.adapter
    if (fields.host !== undefined) this.host = fields.host
    if (fields.container !== undefined) this.container = fields.container
    this.#bytes = fields.bytes
  }

  toMetadata(): object {
    const { stdout, stderr, exitCode, signal, command, duration, adapter, host, container } = this
    const [startedAt, finishedAt] = [this.startedAt.toISOString(), this.finishedAt.toISOString()]
    return { stdout, stderr, exitCode, signal, command, duration, startedAt, finishedAt, adapter, host, ...(container === undefined ? {} : { container }) }
  }

  throwIfFailed(): void {
    if (!this.ok) throw new CommandError(this)
  }

  text(): string {
    return this.stdout.trim()
  }

  json(): unknown {
    return JSON.parse(this.stdout)
  }

  lines(): string[] {
    return this.stdout.split('\n').filter((line) => line !== '')
  }

  buffer(): Buffer {
    return this.#bytes()
  }

  toString(): string {
    return this.stdout
  }
}
