import type { DockerShapes } from '../adapters/docker/shapes'
import type { KubernetesShapes } from '../adapters/kubernetes/shapes'
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

/** The same for containers, with core's own DockerError. */
export function coreDockerShapes(core: Core): DockerShapes {
  return {
    ...containerShapes(core, 'docker'),
    dockerError: (container, operation, cause) => new core.DockerError(container, operation, cause),
  }
}

/** The same for pods, with core's own KubernetesError. */
export function coreKubernetesShapes(core: Core): KubernetesShapes {
  return {
    ...containerShapes(core, 'kubernetes'),
    kubernetesError: ({ message, operation, pod, namespace, container, cause }) =>
      Object.defineProperty(new core.KubernetesError(message, pod ?? '', namespace, container, { operation }), 'originalError', { value: cause, enumerable: false }),
  }
}

/** What is the same for whatever runs in containers. */
function containerShapes(core: Core, name: string): Shapes {
  const Borrowed = borrowedDockerAdapter(core, name)
  const results = new Borrowed({ enabled: false })
  return {
    ...coreShapes(core),
    createMask(config) {
      const adapter = new Borrowed(config)
      return (text) => adapter.mask(text)
    },
    result: (fields) => results.make(fields),
    adapterError: (operation, cause) => new core.AdapterError(name, operation, cause),
  }
}

// It starts nothing before it is asked to. Core's own KubernetesAdapter would look for kubectl.
function borrowedDockerAdapter(core: Core, name: string) {
  return class Borrowed extends core.DockerAdapter {
    constructor(masking: MaskingConfig) {
      super({ sensitiveDataMasking: masking })
      // Results are called after it.
      Reflect.set(this, 'adapterName', name)
    }

    mask(text: string): string {
      return this.maskSensitiveData(text)
    }

    make(fields: ResultFields): ExecutionResult {
      const { stdout, stderr, exitCode, signal, command, startedAt, finishedAt, container } = fields
      const result = this.createResultNoThrowSync(
        stdout, stderr, exitCode, signal, command, startedAt.getTime(), finishedAt.getTime(), container === undefined ? {} : { container },
      )
      return withBytes(result, fields)
    }
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
        stdout, stderr, exitCode, signal, command, startedAt.getTime(), finishedAt.getTime(), host === undefined ? {} : { host },
      )
      return withBytes(result, fields)
    }
  }
}

/** Core makes bytes from the decoded text, which is not what came. */
function withBytes<T extends object>(result: T, { bytes, stdall }: ResultFields): T & { readonly stdall: string } {
  Object.defineProperty(result, 'buffer', { value: bytes, enumerable: false, configurable: true })
  return withStdall(result, stdall)
}

function withStdall<T extends object>(result: T, stdall: () => string): T & { readonly stdall: string } {
  defineStdall(result, stdall)
  return result as T & { readonly stdall: string }
}
