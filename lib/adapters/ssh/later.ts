import { XecNativeError } from '../../errors'
import type { SSHAdapterEvents } from './events'
import { EventHub } from '../../events'
import type { Shapes } from './shapes'

/** The methods of @xec-sh/core's adapter that this version does not have. Each rejects; none pretends. */
export abstract class LaterMethods extends EventHub<SSHAdapterEvents> {
  protected abstract get shapes(): Shapes

  uploadFile(): Promise<never> {
    return this.#notYet('uploadFile', 'file transfer')
  }

  downloadFile(): Promise<never> {
    return this.#notYet('downloadFile', 'file transfer')
  }

  uploadDirectory(): Promise<never> {
    return this.#notYet('uploadDirectory', 'file transfer')
  }

  #notYet(method: string, topic: string): Promise<never> {
    const cause = new XecNativeError({
      code: 'ENOTSUP', kind: 'invalid-usage', reached: false,
      message: `${method}() is not supported yet: ${topic} over SSH comes in a later version; uninstall() brings @xec-sh/core's own adapter back`,
    })
    return Promise.reject(this.shapes.adapterError(method, cause, cause.kind))
  }
}
