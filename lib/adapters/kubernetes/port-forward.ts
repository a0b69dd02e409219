import { InvalidOptionError, InvalidUsageError } from '../../errors'
import type { KubernetesContext, KubernetesForward } from '../../kube'
import { boolean, integer, nonEmptyText } from '../../options/checks'
import { shape } from '../../options/schema'
import { parseSubject } from './subject'
import { checkName } from './where'

export interface PortForwardOptions {
  namespace?: string
  /** false; true: a free local port, whatever `localPort` says */
  dynamicLocalPort?: boolean
  /** '127.0.0.1' */
  localHost?: string
}

export const checkPortForward = shape({ namespace: checkName, dynamicLocalPort: boolean, localHost: nonEmptyText })

const localPorts = integer(0, 65_535)
const remotePorts = integer(1, 65_535)

export interface ForwardRequest {
  target: string
  local: number
  remote: number
  localHost: string | undefined
}

/** `pod`: a pod's name or TYPE/NAME; a local port of 0 is a free one. */
export function forwardRequest(pod: unknown, localPort: unknown, remotePort: unknown, { dynamicLocalPort = false, localHost }: PortForwardOptions): ForwardRequest {
  const subject = parseSubject(pod, 'pod')
  if (subject.kind === 'selector') throw new InvalidOptionError('pod', 'a port is forwarded to a pod, service or deployment by name')
  const local = dynamicLocalPort ? 0 : localPorts(localPort, 'localPort')
  const target = subject.kind === 'pod' ? subject.name : `${subject.kind}/${subject.name}`
  return { target, local, remote: remotePorts(remotePort, 'remotePort'), localHost }
}

/** What makes of errors those that callers know. */
type Translate = (error: unknown) => Error

/** @xec-sh/core's port forward: made closed, opened and closed by its owner, once. */
export class KubernetesPortForward {
  readonly remotePort: number
  readonly #client: KubernetesContext
  readonly #request: ForwardRequest
  readonly #translate: Translate
  readonly #closed: () => void
  #forward: KubernetesForward | undefined
  #opening: Promise<void> | undefined
  #ended = false

  constructor(client: KubernetesContext, request: ForwardRequest, { translate, closed }: { translate: Translate; closed: () => void }) {
    this.#client = client
    this.#request = request
    this.remotePort = request.remote
    this.#translate = translate
    this.#closed = closed
  }

  /** What was asked for until it is open. */
  get localPort(): number {
    return this.#forward?.localPort ?? this.#request.local
  }

  get isOpen(): boolean {
    return this.#forward?.isOpen ?? false
  }

  /** Listens, once the pod is found. Rejects when it was opened before. */
  async open(): Promise<void> {
    if (this.#opening !== undefined || this.#ended) throw this.#translate(misused(this.#ended ? 'Port forward has been closed' : 'Port forward is already open'))
    this.#opening = this.#open()
    await this.#opening
  }

  /** Ends it and its connections. Calling it again does nothing. */
  async close(): Promise<void> {
    this.#ended = true
    // One that is being opened is closed when it is.
    await this.#opening?.catch(() => undefined)
    await this.#forward?.close()
    this.#closed()
  }

  async #open(): Promise<void> {
    const { target, local, remote, localHost } = this.#request
    try {
      this.#forward = await this.#client.portForward(target, { local, remote, ...(localHost === undefined ? {} : { localHost }) })
      this.#forward.once('close', this.#closed)
    } catch (error) {
      this.#closed()
      throw this.#translate(error)
    }
  }
}

const misused = (message: string): InvalidUsageError =>
  new InvalidUsageError({ code: 'EFORWARD', kind: 'invalid-usage', phase: 'run', reached: false, message })
