import type { FailureKind, FailurePhase } from './kinds'

/** Everything an error may know. Messages and commands are masked before they get here. */
export interface ErrorFields {
  code: string
  kind: FailureKind
  message: string
  phase?: FailurePhase
  host?: string
  port?: number
  command?: string
  reached?: boolean
  cause?: unknown
  stdout?: string | Buffer
  stderr?: string | Buffer
  limit?: number
  stream?: 'stdout' | 'stderr'
  path?: string
  status?: number
  hostKey?: HostKeyRefusal
}

/** A line of a known_hosts file. */
export interface KnownHostsLine {
  file: string
  /** From 1. */
  line: number
}

/** What is known about a host key that was refused. */
export interface HostKeyRefusal {
  /**
   * 'changed', 'unknown' (and `hostKeyChecking` is 'strict'), 'revoked', 'unreadable-revocation' (a line marks a key as
   * revoked and cannot be read, so it may be this one), 'certificate', 'rejected' (by the verifier), 'verifier-failed'.
   */
  problem: string
  /** As in known_hosts: 'ssh-ed25519'. */
  type: string
  /** 'SHA256:' and the hash, as `ssh` prints it. */
  fingerprint: string
  /** The line that decided. */
  place?: KnownHostsLine
  /** Lines that cannot be read and were skipped, with the reason. */
  unreadable: (KnownHostsLine & { problem: string })[]
}

/** Every error this package makes. `code` and `kind` are for programs, `message` is for people. */
export class XecNativeError extends Error {
  readonly code: string
  readonly kind: FailureKind
  declare readonly phase?: FailurePhase
  declare readonly host?: string
  declare readonly port?: number
  // `declare`: a field that is not known is absent, not undefined.
  /** The command, secrets masked. */
  declare readonly command?: string
  /** The file it is about, for file operations. */
  declare readonly path?: string
  /** The HTTP status that a Docker daemon refused with. */
  declare readonly status?: number
  /** Did the command reach the server? Absent when nobody can know. */
  declare readonly reached?: boolean
  /** What had arrived before it went wrong. Not enumerable, so that logging an error does not print output. */
  declare readonly stdout?: string | Buffer
  declare readonly stderr?: string | Buffer

  constructor(fields: ErrorFields) {
    super(fields.message, fields.cause === undefined ? undefined : { cause: fields.cause })
    this.code = fields.code
    this.kind = fields.kind
    if (fields.phase !== undefined) this.phase = fields.phase
    if (fields.host !== undefined) this.host = fields.host
    if (fields.port !== undefined) this.port = fields.port
    if (fields.command !== undefined) this.command = fields.command
    if (fields.path !== undefined) this.path = fields.path
    if (fields.status !== undefined) this.status = fields.status
    if (fields.reached !== undefined) this.reached = fields.reached
    hide(this, 'stdout', fields.stdout)
    hide(this, 'stderr', fields.stderr)
  }

  static {
    // On the prototype, as for built-in errors: not an own property of every instance.
    nameClass(this, 'XecNativeError')
  }
}

function hide(error: XecNativeError, name: 'stdout' | 'stderr', value: string | Buffer | undefined): void {
  if (value === undefined) return
  Object.defineProperty(error, name, { value, enumerable: false, configurable: true })
}

/** Names survive minifiers this way, and `error.name` needs no field. */
export function nameClass(type: { prototype: Error }, name: string): void {
  Object.defineProperty(type.prototype, 'name', { value: name, enumerable: false, configurable: true, writable: true })
}
