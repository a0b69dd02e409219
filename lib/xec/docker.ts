import { DockerAdapter } from '../adapters/docker/adapter'
import { type DockerClient, DockerConnectionPool, type ExecSession } from '../docker'
import type { DockerConnectOptions, ExecSessionOptions } from '../types'
import type { CallableExecutionEngine, EngineLike } from './core'

type CoreDocker = CallableExecutionEngine['docker']

/** What core's `$.docker({ container })` gives, and the session that its documents show. */
export type InContainer = CallableExecutionEngine & {
  createExecSession(options?: ExecSessionOptions): ExecSession
}

/** Core's `$.docker`, and the connection that its documents show. */
export type DockerDoor = {
  (options: { container: string; user?: string; workdir?: string; env?: Record<string, string> }): InContainer
  connect(options?: DockerConnectOptions): Promise<DockerClient>
} & CoreDocker

type AnyFunction = (...values: readonly unknown[]) => unknown

/** Adds to core's `docker`, a function, what ours has more. */
export function dockerDoor(engine: EngineLike, docker: AnyFunction): DockerDoor {
  const open = (options?: unknown): unknown => {
    const opened = docker.call(engine, ...options === undefined ? [] : [options])
    const container = containerIn(options)
    return container === undefined ? opened : withSessions(engine, opened, container)
  }
  const connect = (options?: DockerConnectOptions): Promise<DockerClient> => DockerConnectionPool.getInstance().connect(options)
  // Its type is core's own, whose values it passes on.
  return Object.assign(open, { connect }) as unknown as DockerDoor
}

function withSessions(engine: EngineLike, opened: unknown, container: string): unknown {
  if (typeof opened !== 'function' && (typeof opened !== 'object' || opened === null)) return opened
  const createExecSession = (options?: ExecSessionOptions): ExecSession => clientOf(engine).createExecSession(container, options)
  return new Proxy(opened, {
    get(target, name, receiver): unknown {
      return name === 'createExecSession' ? createExecSession : Reflect.get(target, name, receiver)
    },
  })
}

/** The daemon of the engine's own adapter. */
function clientOf(engine: EngineLike): DockerClient {
  const adapter = engine.getAdapter('docker')
  return adapter instanceof DockerAdapter ? adapter.client : DockerConnectionPool.getInstance().client
}

function containerIn(options: unknown): string | undefined {
  if (typeof options !== 'object' || options === null || 'image' in options || !('container' in options)) return undefined
  return typeof options.container === 'string' ? options.container : undefined
}
