import { EventEmitter, once } from 'node:events'
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
import { pipeline } from 'node:stream'
import type { DockerExchange as Exchange } from '../docker/exchange'
import { ConnectionRefusedError, InvalidUsageError, NotFoundError, type XecNativeError } from '../errors'
import type { ForwardTarget } from '../options'
import type { KubernetesForwardOptions, PodInfo } from '../types'
import type { KubernetesContext } from './context'
import { type Lingerer, Lingering } from './lingering'
import { findPod, getPod, object } from './pods'

/** The listeners' arguments. */
export interface KubernetesForwardEvents {
  /** A client came and was connected. */
  connection: [{ pod: string; port: number }]
  /** A client's other end could not be reached, or broke: its connection was closed. Nothing happens where nobody listens. */
  error: [error: XecNativeError]
  /** It is closed. */
  close: []
}

/** What a forward needs of its context. */
export interface ForwardHost {
  open: (namespace: string, pod: string, port: number) => Exchange
  closed: () => void
}

/** A client that has said everything is asked after that many milliseconds whether it is still there. */
const ASKED_AFTER = 15_000

interface Destination {
  pod: string
  port: number
}

/**
 * An open forward. Each client gets a connection of its own to the pod; for a service or deployment, to a ready pod of it, which is
 * looked for again when it is gone. It keeps the process alive until it is closed; `unref()` lets the process end.
 */
export class KubernetesForward extends EventEmitter<KubernetesForwardEvents> implements AsyncDisposable {
  readonly remotePort: number
  readonly #context: KubernetesContext
  readonly #target: ForwardTarget
  readonly #options: KubernetesForwardOptions
  readonly #host: ForwardHost
  readonly #server: Server
  readonly #clients = new Map<Socket, Exchange | undefined>()
  readonly #lingering = new Lingering()
  #destination: Promise<Destination> | undefined
  #closing: Promise<void> | undefined

  /** @internal */
  constructor(context: KubernetesContext, target: ForwardTarget, options: KubernetesForwardOptions, host: ForwardHost) {
    super()
    this.#context = context
    this.#target = target
    this.#options = options
    this.#host = host
    this.remotePort = options.remote
    // A client that has ended its side may still be answered.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => { void this.#serve(socket) })
  }

  get localHost(): string {
    return this.#address?.address ?? ''
  }

  get localPort(): number {
    return this.#address?.port ?? 0
  }

  get isOpen(): boolean {
    return this.#closing === undefined && this.#server.listening
  }

  /** How many clients are connected. */
  get connections(): number {
    return this.#clients.size
  }

  /** @internal Finds the pod, then listens. */
  async listen(): Promise<void> {
    const { local = 0, localHost = '127.0.0.1', signal } = this.#options
    try {
      signal?.throwIfAborted()
      await this.#find()
      this.#server.listen(local, localHost)
      await once(this.#server, 'listening', signal === undefined ? {} : { signal })
    } catch (cause) {
      await this.close()
      if (cause instanceof Error && 'syscall' in cause && cause.syscall === 'listen') throw notListening(`${localHost}:${local}`, cause)
      throw cause
    }
    this.#server.on('error', () => undefined)
  }

  /** Listens no more and cuts the present connections. Resolves when that is done; doing so twice is once. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Keeps the process alive, as it does from the beginning. */
  ref(): this {
    this.#server.ref()
    return this
  }

  /** Lets the process end although the forward is open. */
  unref(): this {
    this.#server.unref()
    return this
  }

  get #address(): AddressInfo | undefined {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address : undefined
  }

  async #close(): Promise<void> {
    const closed = this.#server.listening ? new Promise<void>((resolve) => { this.#server.close(() => { resolve() }) }) : undefined
    for (const [socket, exchange] of this.#clients) {
      exchange?.cancel()
      socket.destroy()
    }
    await closed
    this.#host.closed()
    this.emit('close')
  }

  async #serve(socket: Socket): Promise<void> {
    this.#clients.set(socket, undefined)
    const gone = new Promise<void>((resolve) => { socket.once('close', () => { resolve() }) })
    socket.on('error', () => undefined)
    try {
      const exchange = await this.#connected(socket)
      if (exchange === undefined) return
      await relay(socket, exchange, { gone, lingering: this.#lingering })
    } catch (error) {
      if (this.#closing === undefined && !socket.destroyed && this.listenerCount('error') > 0) this.emit('error', error as XecNativeError)
    } finally {
      socket.destroy()
      this.#clients.delete(socket)
    }
  }

  /** A pod that was known may have gone since: then it is looked for once more. */
  async #connected(socket: Socket): Promise<Exchange | undefined> {
    for (let attempt = 1; ; attempt++) {
      const known = this.#destination !== undefined
      try {
        const { pod, port } = await this.#find()
        const exchange = this.#host.open(this.#namespace, pod, port)
        this.#clients.set(socket, exchange)
        if (socket.destroyed || this.#closing !== undefined) {
          exchange.cancel()
          return undefined
        }
        await exchange.head
        this.emit('connection', { pod, port })
        return exchange
      } catch (error) {
        this.#destination = undefined
        if (!known || attempt > 1 || socket.destroyed) throw error
      }
    }
  }

  get #namespace(): string {
    return this.#options.namespace ?? this.#context.namespace
  }

  #find(): Promise<Destination> {
    if (this.#destination === undefined) {
      const finding = this.#look()
      this.#destination = finding
      // What could not be found is looked for by whoever comes next.
      finding.catch(() => { if (this.#destination === finding) this.#destination = undefined })
    }
    return this.#destination
  }

  async #look(): Promise<Destination> {
    const { remote, signal } = this.#options
    const namespace = this.#namespace
    const { kind, name } = this.#target
    const within = { namespace, ...(signal === undefined ? {} : { signal }) }
    if (kind === 'pod') {
      const pod = await getPod(this.#context, name, within)
      if (pod.phase !== 'Running') throw notRunning(this.#context.host, `Pod ${name} does not run: it is ${pod.phase}`)
      return { pod: name, port: remote }
    }
    if (kind === 'deployment') {
      const path = `/apis/apps/v1/namespaces/${encodeURIComponent(namespace)}/deployments/${name}`
      const { spec } = await object(this.#context, path, {}, signal) as { spec: { selector: { matchLabels?: Record<string, string> } } }
      return { pod: await findPod(this.#context, selectorOf(spec.selector.matchLabels, `deployment ${name}`), within), port: remote }
    }
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/services/${name}`
    const { spec } = await object(this.#context, path, {}, signal) as ServiceObject
    const pod = await findPod(this.#context, selectorOf(spec.selector, `service ${name}`), within)
    return { pod, port: portOf(spec, remote, name, await getPod(this.#context, pod, within)) }
  }
}

interface ServiceObject {
  spec: { selector?: Record<string, string>; ports?: { port: number; targetPort?: number | string }[] }
}

function selectorOf(labels: Record<string, string> | undefined, owner: string): string {
  const pairs = Object.entries(labels ?? {}).map(([name, value]) => `${name}=${value}`)
  if (pairs.length > 0) return pairs.join(',')
  throw new NotFoundError({
    code: 'ENOPOD', kind: 'not-found', phase: 'open-channel', reached: false, message: `The ${owner} selects no pods by labels`,
  })
}

/** A service's port leads to another one of its pods, by number or by the name it has there. */
function portOf({ ports = [] }: ServiceObject['spec'], remote: number, name: string, pod: PodInfo): number {
  const found = ports.find(({ port }) => port === remote)
  if (found === undefined) {
    throw new NotFoundError({
      code: 'ENOENT', kind: 'not-found', phase: 'open-channel', reached: false,
      message: `Service ${name} has no port ${remote}; it has ${ports.map(({ port }) => port).join(', ')}`,
    })
  }
  const { targetPort = remote } = found
  if (typeof targetPort === 'number') return targetPort
  const { spec: { containers = [] } } = pod.raw as { spec: { containers?: { ports?: { name?: string; containerPort: number }[] }[] } }
  const named = containers.flatMap(({ ports: own = [] }) => own).find(({ name: is }) => is === targetPort)
  if (named !== undefined) return named.containerPort
  throw new NotFoundError({
    code: 'ENOENT', kind: 'not-found', phase: 'open-channel', reached: false,
    message: `Service ${name} leads to port '${targetPort}', which pod ${pod.name} does not have`,
  })
}

/**
 * Both directions, each at its reader's pace, until the pod's side has ended or the client is gone. The protocol cannot tell the pod that the
 * client has said everything; the pod may answer all the same.
 */
async function relay(socket: Socket, exchange: Exchange, { gone, lingering }: { gone: Promise<void>; lingering: Lingering }): Promise<void> {
  let lingerer: Lingerer | undefined
  let owed = false
  const upward = (async () => {
    for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      owed = true
      if (!await exchange.write(chunk)) return
    }
    exchange.end()
    // One that has closed altogether looks the same, until its system is asked.
    socket.setKeepAlive(true, ASKED_AFTER).unref()
    lingerer = lingering.add(() => {
      // An end would say that the answer was whole.
      socket.resetAndDestroy()
      exchange.cancel()
    }, owed)
  })()
  upward.catch(() => undefined)
  const { stdout } = exchange
  stdout.on('data', () => {
    owed = false
    lingerer?.heard()
  })
  const downward = new Promise<void>((resolve, reject) => {
    pipeline(stdout, socket, (error) => { if (error == null) resolve(); else reject(error) })
  })
  downward.catch(() => undefined)
  try {
    await Promise.race([exchange.done.then(() => downward), gone])
  } catch (error) {
    if (lingerer?.isCut !== true) throw error
  } finally {
    lingerer?.end()
    exchange.cancel()
  }
}

function notListening(where: string, cause: Error & { code?: unknown }): ConnectionRefusedError {
  return new ConnectionRefusedError({
    code: typeof cause.code === 'string' ? cause.code : 'EFORWARD', kind: 'invalid-usage', phase: 'open-channel', reached: false, cause,
    message: `Cannot listen on ${where}`,
  })
}

function notRunning(host: string, message: string): InvalidUsageError {
  return new InvalidUsageError({ code: 'ENOTRUNNING', kind: 'invalid-usage', phase: 'open-channel', host, reached: false, message })
}
