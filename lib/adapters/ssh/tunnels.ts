import { type Forward } from '../../forward'
import type { SSHConnectionPool } from '../../pool'
import type { SSHTarget } from '../../types'
import { type AdapterEmitter, stamp } from './events'
import { given } from './given'

export interface TunnelOptions {
  /** 0: the system chooses */
  localPort?: number
  /** '127.0.0.1' */
  localHost?: string
  remoteHost: string
  remotePort: number
}

export interface ReverseTunnelOptions {
  /** 0: the server chooses */
  remotePort: number
  /** '127.0.0.1' */
  remoteHost?: string
  /** 'localhost' */
  localHost?: string
  localPort: number
}

/** An open tunnel, in @xec-sh/core's words. */
export interface Tunnel {
  readonly localPort: number
  readonly localHost: string
  readonly remoteHost: string
  readonly remotePort: number
  readonly isOpen: boolean
  /** It is open from the beginning; core's interface has this. */
  open: () => Promise<void>
  close: () => Promise<void>
}

type OurPortForward = [target: SSHTarget, localPort: number, remotePort: number, remoteHost?: string]
type CoresPortForward = [localPort: number, remoteHost: string, remotePort: number, target: SSHTarget]
export type PortForwardArguments = OurPortForward | CoresPortForward

const isCores = (args: PortForwardArguments): args is CoresPortForward => typeof args[0] === 'number'

export function inOurOrder(args: PortForwardArguments): OurPortForward {
  if (!isCores(args)) return args
  const [localPort, remoteHost, remotePort, target] = args
  return [target, localPort, remotePort, remoteHost]
}

/** What core runs before it asks for a tunnel, so that the adapter knows a target. */
const PREPARATION = /^echo "Establishing connection for [a-z ]{0,20}tunnel"$/

/** The targets that tunnels may be asked for: core's calls do not name one. */
export class TunnelTargets {
  #last: SSHTarget | undefined
  /** Prepared, and not asked for yet. Core asks in the order in which its preparations end. */
  readonly #prepared: SSHTarget[] = []

  note(command: string, target: SSHTarget, ok: boolean): void {
    this.#last = target
    // After one that failed, core asks for no tunnel.
    if (ok && PREPARATION.test(command)) this.#prepared.push(target)
  }

  take(): SSHTarget | undefined {
    return this.#prepared.shift() ?? this.#last
  }
}

/** Makes core's tunnel of a forward, and announces its beginning and its end. */
export function announceTunnel(forward: Forward, active: Map<string, Tunnel>, emitter: Pick<AdapterEmitter, 'announce'>): Tunnel {
  const { localPort, localHost, remoteHost, remotePort } = forward
  const where = { localPort, remoteHost, remotePort }
  const id = freeId(active, `${forward.type}:${localPort}-${remoteHost}:${remotePort}`)
  const tunnel: Tunnel = {
    localPort, localHost, remoteHost, remotePort,
    get isOpen() { return forward.isOpen },
    open: () => Promise.resolve(),
    close: () => forward.close(),
  }
  active.set(id, tunnel)
  forward.once('close', () => {
    active.delete(id)
    emitter.announce('ssh:tunnel-closed', { ...stamp(), ...where })
  })
  emitter.announce('ssh:tunnel-created', { ...stamp(), ...where })
  emitter.announce('tunnel:created', { ...stamp(), ...where, type: 'ssh' })
  return tunnel
}

/** Two servers may both have the same ports. */
function freeId(active: ReadonlyMap<string, Tunnel>, wanted: string): string {
  let id = wanted
  for (let number = 2; active.has(id); number += 1) id = `${wanted}#${number}`
  return id
}

export function openTunnel(pool: SSHConnectionPool, target: SSHTarget, options: TunnelOptions): Promise<Forward> {
  const { localPort, localHost, remoteHost, remotePort } = options
  return pool.forwardLocal(target, given({ localPort, localHost, remoteHost, remotePort }))
}

export function openReverseTunnel(pool: SSHConnectionPool, target: SSHTarget, options: ReverseTunnelOptions): Promise<Forward> {
  const { remotePort, remoteHost, localHost = 'localhost', localPort } = options
  return pool.forwardRemote(target, given({ remotePort, remoteHost, localHost, localPort }))
}
