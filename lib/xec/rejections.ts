import { SSHAdapter } from '../adapters/ssh/adapter'
import type { Core } from './core'

interface Context {
  engine: { getAdapter(name: string): unknown }
  execute(): Promise<unknown>
}

const patched = new WeakSet()

/**
 * Core 0.9.0 forgets the promise of a `finally` of its own on every command; when the command rejects, so does that one, nobody can
 * catch it, and core's handler for such rejections ends the process. Here it counts as seen, for engines with our adapter; what the
 * caller gets is another promise, and is as unhandled as the caller leaves it.
 */
export function mendRejections(core: Core): void {
  const builder: unknown = Reflect.get(new core.ExecutionEngine({}, new Map()), 'processBuilder')
  const prototype: unknown = typeof builder === 'object' && builder !== null ? Object.getPrototypeOf(builder) : undefined
  if (typeof prototype !== 'object' || prototype === null || patched.has(prototype)) return
  const original: unknown = Reflect.get(prototype, 'createProcessPromiseWithContext')
  // Another version of core, which may have mended it.
  if (typeof original !== 'function') return
  patched.add(prototype)
  const make = original as (this: unknown, context: Context) => unknown
  const create = function (this: unknown, context: Context): unknown {
    if (context.engine.getAdapter('ssh') instanceof SSHAdapter) watchFinally(context)
    return make.call(this, context)
  }
  Object.defineProperty(prototype, 'createProcessPromiseWithContext', { value: create, writable: true, configurable: true, enumerable: false })
}

function watchFinally(context: Context): void {
  const execute = context.execute.bind(context)
  context.execute = () => {
    const running = execute()
    const settle = running.finally.bind(running)
    running.finally = (ended) => {
      const after = settle(ended)
      after.catch(() => undefined)
      return after
    }
    return running
  }
}
