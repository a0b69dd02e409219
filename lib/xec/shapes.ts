import { type ExecutionResult, type ResultFields, defineStdall } from '../adapters/ssh/execution-result'
import type { Shapes } from '../adapters/ssh/shapes'
import type { MaskingConfig } from '../masking'
import type { Core } from './core'

/** Results and errors of the user's @xec-sh/core, so that its `instanceof` holds. */
export function coreShapes(core: Core): Shapes {
  const Borrowed = borrowedAdapter(core)
  const results = new Borrowed({ enabled: false })
  return {
    createMask(config) {
      const adapter = new Borrowed(config)
      return (text) => adapter.mask(text)
    },
    result: (fields) => results.make(fields),
    adapterError: (operation, cause) => new core.AdapterError('ssh', operation, cause),
    connectionError: (host, cause) => new core.ConnectionError(host, cause),
    timeoutError: (command, timeout) => new core.TimeoutError(command, timeout),
  }
}

// Core exports neither its result class nor its masking. Both are protected parts of its adapters, so a subclass of one
// can lend them. It never connects: with its pool switched off the constructor only stores its options.
function borrowedAdapter(core: Core) {
  return class Borrowed extends core.SSHAdapter {
    constructor(masking: MaskingConfig) {
      super({
        sensitiveDataMasking: masking,
        connectionPool: { enabled: false, maxConnections: 1, idleTimeout: 1, keepAlive: false },
      })
    }

    mask(text: string): string {
      return this.maskSensitiveData(text)
    }

    make(fields: ResultFields): ExecutionResult {
      const { stdout, stderr, exitCode, signal, command, startedAt, finishedAt, host } = fields
      const result = this.createResultNoThrowSync(
        stdout, stderr, exitCode, signal, command, startedAt.getTime(), finishedAt.getTime(), { host },
      )
      // Core makes bytes from the decoded text, which is not what came.
      Object.defineProperty(result, 'buffer', { value: fields.bytes, enumerable: false, configurable: true })
      return withStdall(result, fields.stdall)
    }
  }
}

function withStdall<T extends object>(result: T, stdall: () => string): T & { readonly stdall: string } {
  defineStdall(result, stdall)
  return result as T & { readonly stdall: string }
}
