import { type Forward } from '../../forward'
import type { SSHConnectionPool } from '../../pool'
import type { SSHTarget } from '../../types'
import type { AdapterEmitter } from './events'
import { stamp } from './events'

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

/** What core runs before it asks for a tunnel, so that the adapter knows a target. */
const PREPARATION = /^echo "Establishing connection for [a-z ]{0,20}tunnel"$/

/** The targets that tunnels may be asked for: core's calls do not name one. */
export class TunnelTargets {
  #last: SSHTarget | undefined
  /** Prepared, and not asked for yet. Core asks in the order in which its preparations end. */
  readonly #prepared: SSHTarget[] = []

  note(command: string, target: SSHTarget): void {
    this.#last = target
    if (PREPARATION.test(command)) this.#prepared.push(target)
  }

  take(): SSHTarget | undefined {
    return this.#prepared.shift() ?? this.#last
  }
}

/** Makes core's tunnel of a forward, and announces its beginning and its end. */
export function announceTunnel(forward: Forward, active: Map<string, Tunnel>, emitter: Pick<AdapterEmitter, 'announce'>): Tunnel {
  const { localPort, localHost, remoteHost, remotePort } = forward
  const where = { localPort, remoteHost, remotePort }
  const id = `${forward.type}:${localPort}-${remoteHost}:${remotePort}`
  const tunnel: Tunnel = {
    localPort, localHost, remoteHost, remotePort,
    get isOpen() { return forward.isOpen },
    open: () => Promise.resolve(),
    close: () => forward.close(),
  }
  active.set(id, tunnel)
  forward.once('close', () => {
    if (active.get(id) === tunnel) active.delete(id)
    emitter.announce('ssh:tunnel-closed', { ...stamp(), ...where })
  })
  emitter.announce('ssh:tunnel-created', { ...stamp(), ...where })
  emitter.announce('tunnel:created', { ...stamp(), ...where, type: 'ssh' })
  return tunnel
}

export function openTunnel(pool: SSHConnectionPool, target: SSHTarget, options: TunnelOptions): Promise<Forward> {
  const { localPort, localHost, remoteHost, remotePort } = options
  return pool.forwardLocal(target, given({ localPort, localHost, remoteHost, remotePort }))
}

export function openReverseTunnel(pool: SSHConnectionPool, target: SSHTarget, options: ReverseTunnelOptions): Promise<Forward> {
  const { remotePort, remoteHost, localHost = 'localhost', localPort } = options
  return pool.forwardRemote(target, given({ remotePort, remoteHost, localHost, localPort }))
}

/** Options that are undefined count as absent. */
function given<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> }
}
