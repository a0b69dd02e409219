import { XecNativeError } from '../errors'
import type { CommandResult, HostPoolConfig, SSHTarget } from '../types'
import { type CommandRunner, type TextOptions, addressOf } from './runner'

const HOUR = 3_600_000
/** So many good commands give back one connection that a failure took. */
const RECOVERY = 10

interface Usage {
  lastUsed: number
  useCount: number
  averageDuration: number
  /** Connections taken away after failures. */
  lowered: number
  /** Good commands since the last change of `lowered`. */
  streak: number
}

export interface HostUsage {
  lastUsed: Date
  useCount: number
  /** Milliseconds. */
  averageDuration: number
}

/**
 * Settings for each host from how it is used: more and longer-lived connections for hosts with many short commands, few
 * for hosts that are hardly used, fewer for hosts that fail.
 */
export class AdaptiveConfig {
  readonly #pool: CommandRunner
  readonly #now: () => number
  readonly #usage = new Map<string, Usage>()

  /** `now` is milliseconds since 1970. */
  constructor(pool: CommandRunner, now: () => number = Date.now) {
    this.#pool = pool
    this.#now = now
  }

  /** Runs a command with the settings that fit now. What the target's own `poolConfig` says stays as it is. */
  async exec(target: SSHTarget, command: string, options?: TextOptions): Promise<CommandResult> {
    const poolConfig = { ...this.configFor(target), ...target.poolConfig }
    const began = this.#now()
    try {
      const result = await this.#pool.exec({ ...target, poolConfig: within(poolConfig) }, command, options)
      this.record(target, this.#now() - began)
      return result
    } catch (error) {
      this.recordFailure(target, error)
      throw error
    }
  }

  /** Counts one command that ended, for commands that run past this object. */
  record(target: SSHTarget, durationMs: number): void {
    const usage = this.#usageOf(target)
    usage.averageDuration = (usage.averageDuration * usage.useCount + durationMs) / (usage.useCount + 1)
    usage.useCount += 1
    usage.lastUsed = this.#now()
    usage.streak += 1
    if (usage.streak < RECOVERY) return
    usage.streak = 0
    usage.lowered = Math.max(0, usage.lowered - 1)
  }

  /** Only failures of the connection tell that a host has enough; a command's own failure does not. */
  recordFailure(target: SSHTarget, error: unknown): void {
    if (!isConnectionFailure(error)) return
    const usage = this.#usageOf(target)
    usage.lastUsed = this.#now()
    usage.streak = 0
    usage.lowered = Math.min(usage.lowered + 1, this.#fitting(usage).maxConnections - 1)
  }

  configFor(target: SSHTarget): HostPoolConfig {
    const usage = this.#usageOf(target)
    const config = this.#fitting(usage)
    return within({ ...config, maxConnections: Math.max(1, config.maxConnections - usage.lowered) })
  }

  getUsage(target: SSHTarget): HostUsage {
    const { lastUsed, useCount, averageDuration } = this.#usageOf(target)
    return { lastUsed: new Date(lastUsed), useCount, averageDuration }
  }

  #fitting({ useCount, averageDuration, lastUsed }: Usage): HostPoolConfig & { maxConnections: number } {
    if (useCount < 10 || this.#now() - lastUsed > HOUR) return { maxConnections: 2, idleTimeout: 60_000 }
    if (useCount > 100 && averageDuration < 1_000) return { maxConnections: 10, idleTimeout: 600_000, warmUpConnections: 3 }
    return { maxConnections: 5, idleTimeout: 300_000 }
  }

  #usageOf(target: SSHTarget): Usage {
    const address = addressOf(target)
    const known = this.#usage.get(address)
    if (known !== undefined) return known
    const fresh = { lastUsed: this.#now(), useCount: 0, averageDuration: 0, lowered: 0, streak: 0 }
    this.#usage.set(address, fresh)
    return fresh
  }
}

/** Not more connections ahead of need than there may be at all: the pool refuses that. */
function within(config: HostPoolConfig): HostPoolConfig {
  const { warmUpConnections, maxConnections } = config
  if (warmUpConnections === undefined || maxConnections === undefined) return config
  return { ...config, warmUpConnections: Math.min(warmUpConnections, maxConnections) }
}

function isConnectionFailure(error: unknown): boolean {
  if (!(error instanceof XecNativeError)) return false
  if (error.kind === 'timeout') return error.phase !== 'run'
  return error.kind === 'connection-lost' || error.kind === 'connection-refused'
}
