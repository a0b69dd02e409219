import { XecNativeError } from '../../errors'
import type { SSHAdapterEvents } from './events'
import { EventHub } from '../../events'
import type { Shapes } from './shapes'

/** The methods of @xec-sh/core's adapter that this version does not have. Each rejects; none pretends. */
export abstract class LaterMethods extends EventHub<SSHAdapterEvents> {
  /** Tunnels that are open. There are none yet. */
  readonly activeTunnels: ReadonlyMap<string, never> = new Map<string, never>()

  protected abstract get shapes(): Shapes

  tunnel(): Promise<never> {
    return this.#notYet('tunnel', 'forwarding')
  }

  reverseTunnel(): Promise<never> {
    return this.#notYet('reverseTunnel', 'forwarding')
  }

  portForward(): Promise<never> {
    return this.#notYet('portForward', 'forwarding')
  }

  #notYet(method: string, topic: string): Promise<never> {
    const cause = new XecNativeError({
      code: 'ENOTSUP', kind: 'invalid-usage', reached: false,
      message: `${method}() is not supported yet: ${topic} over SSH comes in a later version; uninstall() brings @xec-sh/core's own adapter back`,
    })
    return Promise.reject(this.shapes.adapterError(method, cause, cause.kind))
  }
}
