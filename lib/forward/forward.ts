import type { AddressRecord, ForwardSettings, NativeForward, NewsRecord } from '../binding'
import { type XecNativeError, errorFromFailure } from '../errors'
import { EventHub } from '../events/hub'
import type { ForwardStats, ForwardedConnection } from '../types'

export type ForwardType = 'local' | 'remote' | 'dynamic'

/** The listeners' arguments. */
export interface ForwardEvents {
  /** A client came and was connected. */
  'connection': [connection: ForwardedConnection]
  /** A client's other end could not be reached, so its connection was closed. Nothing happens where nobody listens. */
  'error': [error: XecNativeError]
  /** The connection to the server was lost. */
  'reconnecting': []
  'reconnected': []
  /** It is closed; with an error when nobody asked for that. */
  'close': [error?: XecNativeError]
}

/** Longer than any program runs: what it is for is to be there. */
const FOREVER = 2 ** 31 - 1

/**
 * An open forward. It keeps its connection, and the process, alive until it is closed; `unref()` lets the process end. A lost
 * connection is made again while the local listener stays open.
 */
export class Forward extends EventHub<ForwardEvents> implements AsyncDisposable {
  readonly type: ForwardType
  readonly #native: NativeForward
  readonly #to: AddressRecord | undefined
  readonly #alive: NodeJS.Timeout
  #closed = false

  /** @internal */
  constructor(native: NativeForward, { kind, to }: ForwardSettings) {
    super()
    this.type = kind === 'remote' || kind === 'dynamic' ? kind : 'local'
    this.#native = native
    this.#to = to
    this.#alive = setInterval(() => undefined, FOREVER)
    native.watch(() => { this.#deliver() })
  }

  /** Where it listens, or connects to, on this side. Empty for a UNIX socket. */
  get localHost(): string {
    return this.#local?.host ?? ''
  }

  get localPort(): number {
    return this.#local?.port ?? 0
  }

  get localSocket(): string | undefined {
    return this.#local?.path ?? undefined
  }

  /** Where the server listens, or connects to. Empty for a dynamic forward and for a UNIX socket. */
  get remoteHost(): string {
    return this.#remote?.host ?? ''
  }

  /** A remote forward that asked for port 0 says here which one it got. */
  get remotePort(): number {
    return this.#remote?.port ?? 0
  }

  get remoteSocket(): string | undefined {
    return this.#remote?.path ?? undefined
  }

  get isOpen(): boolean {
    return !this.#closed && this.#native.isOpen
  }

  stats(): ForwardStats {
    return { ...this.#native.stats() }
  }

  /** Listens no more and cuts the present connections. Resolves when that is done; doing so twice is once. */
  async close(): Promise<void> {
    await this.#native.close()
    this.#deliver()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Keeps the process alive, as it does from the beginning. */
  ref(): this {
    if (!this.#closed) this.#alive.ref()
    return this
  }

  /** Lets the process end although the forward is open. */
  unref(): this {
    this.#alive.unref()
    return this
  }

  protected override listenersChanged(): void {
    // News come whether somebody listens or not: the last one ends the forward.
  }

  get #local(): AddressRecord | undefined {
    return this.type === 'remote' ? this.#to : this.#native.bound
  }

  get #remote(): AddressRecord | undefined {
    return this.type === 'remote' ? this.#native.bound : this.#to
  }

  #deliver(): void {
    for (const news of this.#native.news()) this.#tell(news)
  }

  #tell({ kind, from, to, failure }: NewsRecord): void {
    const error = failure === undefined ? undefined : errorFromFailure(failure)
    switch (kind) {
      case 'connection':
        this.emitSafely('connection', connection(from, to))
        break
      case 'error':
        this.#report(error)
        break
      case 'reconnecting':
      case 'reconnected':
        this.emitSafely(kind)
        break
      case 'close':
        this.#closed = true
        clearInterval(this.#alive)
        if (error === undefined) this.emitSafely('close')
        else this.emitSafely('close', error)
        break
    }
  }

  /** 'error' without a listener would throw. */
  #report(error: XecNativeError | undefined): void {
    if (error !== undefined && this.listenerCount('error') > 0) this.emitSafely('error', error)
  }
}

function connection(from: AddressRecord | undefined, to: AddressRecord | undefined): ForwardedConnection {
  const text = to?.path ?? `${to?.host ?? ''}:${to?.port ?? 0}`
  return { ...(from?.host === undefined ? {} : { host: from.host }), ...(from?.port === undefined ? {} : { port: from.port }), to: text }
}
